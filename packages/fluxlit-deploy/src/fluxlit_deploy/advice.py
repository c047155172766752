"""Findings about a project itself, for all that is generated from it."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from fluxlit_deploy.base import base_image
from fluxlit_deploy.dependencies import PYPROJECT, Dependencies, LockKind
from fluxlit_deploy.description import Project
from fluxlit_deploy.finding import Finding, Severity

_LOCK = {
    LockKind.UNHASHED: (
        "there are no hashes: a later build may install other versions, or files that were replaced.",
        (
            "Keep what you wrote as requirements.in and compile it: uv pip compile --universal --generate-hashes "
            "requirements.in -o requirements.txt."
        ),
    ),
    LockKind.PYPROJECT: (
        "there is no lock file beside it: every build installs the versions that are newest on its day.",
        "Run uv lock and commit uv.lock.",
    ),
    LockKind.SOURCE: (
        "only the build of the project names its dependencies, and no lock file their versions.",
        "List the dependencies under [project] in pyproject.toml, run uv lock, and commit both.",
    ),
    LockKind.NONE: (
        (
            "no file names what the application needs: none of uv.lock, poetry.lock, pdm.lock, Pipfile, "
            "pylock.toml, requirements.txt, pyproject.toml with dependencies, setup.py and environment.yml."
        ),
        "List the dependencies in pyproject.toml, run uv lock, and commit both.",
    ),
}

_LOCK_COMMANDS = {"pyproject.toml": "poetry lock", "Pipfile": "pipenv lock"}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def advise(project: Project, *, redis: bool = False) -> Iterator[Finding]:
    """Yield what is wrong with the project as it is.

    Args:
        project: the application.
        redis: its sessions are to be in Redis.
    """
    dependencies = project.dependencies
    file = dependencies.file or PYPROJECT
    if dependencies.kind in _LOCK:
        severity: Severity = "error" if dependencies.kind is LockKind.NONE else "warning"
        yield Finding("project-lock", severity, file, None, *_lock(dependencies))
    if dependencies.kind is not LockKind.NONE and not dependencies.has_command:
        yield Finding(
            "project-command",
            "error",
            file,
            None,
            "fluxlit-cli is not among the dependencies, but the container starts with its command, fluxlit run.",
            f"Set {dependencies.hint} in [build] of the project file, which brings it."
            if dependencies.hint
            else "Add fluxlit-cli (or fluxlit, which brings everything) to the dependencies.",
        )
    conda_file, conda_names = dependencies.conda
    if conda_names:
        yield Finding(
            "project-conda",
            "warning",
            conda_file,
            None,
            f"the image is made of {file} and lacks what only conda or pixi would install: {', '.join(conda_names)}.",
            f"Add what the application needs to {file}, or libraries of the system to system_packages of [build].",
        )
    if redis and dependencies.kind is not LockKind.NONE and not dependencies.has_redis:
        yield Finding(
            "project-redis",
            "error",
            file,
            None,
            "the client of Redis is not among the dependencies, so the application cannot reach its sessions.",
            "Add fluxlit-sessions[encryption,redis] to the dependencies.",
        )
    if "@sha256:" not in base_image(project):
        yield Finding(
            "project-base",
            "warning",
            "Dockerfile",
            None,
            f"the digest of {base_image(project)} is not known here, so the base image may change under the same name.",
            "fluxlit build --refresh-base shows how to find it; set it as base_image in [build] of fluxlit.toml.",
        )
    yield from _unreachable(project)


def _lock(dependencies: Dependencies) -> tuple[str, str]:
    command = _LOCK_COMMANDS.get(dependencies.file or "") if dependencies.generated else None
    if command:
        message = "there is no lock file beside it: every build installs the versions that are newest on its day."
        return message, f"Run {command} and commit the lock file."
    return _LOCK[dependencies.kind]


def _unreachable(project: Project) -> Iterator[Finding]:
    """Yield settings of one machine that do not work in a container."""
    if path := project.settings.get("gateway_uds"):
        yield Finding(
            "project-socket",
            "error",
            "fluxlit.toml",
            None,
            f"gateway_uds is {path}: in a container that socket cannot be reached, and no port is opened.",
            "Set it where it is meant, by FLUXLIT_GATEWAY_UDS, and take it out of the project.",
        )
    if project.settings.get("tls_certificate"):
        yield Finding(
            "project-tls",
            "warning",
            "fluxlit.toml",
            None,
            "tls_certificate makes the application speak TLS itself, and generated edges and probes speak HTTP to it.",
            "Let TLS end at the edge, and take tls_certificate out of the project.",
        )
    upstream = urlsplit(str(project.settings.get("streamlit_upstream") or "")).hostname
    if project.mode == "external" and upstream in _LOOPBACK:
        yield Finding(
            "project-upstream",
            "error",
            "fluxlit.toml",
            None,
            f"streamlit_upstream is on {upstream}, which inside a container is the container itself.",
            "Name the host or the service where Streamlit runs.",
        )
    if project.settings.get("gateway_port") == 0:
        yield Finding(
            "project-port",
            "warning",
            "fluxlit.toml",
            None,
            "gateway_port is 0, any free port, which nothing outside a container could find.",
            "The image listens on 8000 instead; name a port to choose another.",
        )
