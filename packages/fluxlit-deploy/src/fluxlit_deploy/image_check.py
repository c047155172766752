"""Checks of a Dockerfile, also after manual changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fluxlit_deploy.dependencies import LockKind
from fluxlit_deploy.description import Project
from fluxlit_deploy.dockerfile import Dockerfile, Instruction, read_dockerfile
from fluxlit_deploy.finding import Finding, Severity
from fluxlit_deploy.secrets import is_secret

FILE = "Dockerfile"

_ANEW = "Write it anew with fluxlit build --force."

_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104  # the container's own network
_SECRET_FILE = re.compile(r"(^|[\s/\"])(\.env|\.netrc|\.pypirc|secrets\.toml|id_(rsa|ecdsa|ed25519)|\S+\.(pem|key))\b")
# A script, by its path or its ending, may start FluxLit in turn.
_STARTS = re.compile(r"\b(fluxlit|uvicorn|gunicorn|hypercorn|granian)|/\w|\.(sh|py)\b")
_INSTALLS = re.compile(r"\b(uv sync|(uv )?pip3? install)\b")


@dataclass(frozen=True)
class Seen:
    """All that a rule looks at.

    Attributes:
        project: the application.
        dockerfile: the file, taken apart.
    """

    project: Project
    dockerfile: Dockerfile


def check(project: Project, directory: Path) -> Iterator[Finding]:
    """Check the Dockerfile of a folder; one that is not there is not missed."""
    path = directory / FILE
    if not path.is_file():
        return
    try:
        found = read_dockerfile(path.read_text("utf-8"))
    except (OSError, UnicodeError) as error:
        yield _found(
            "syntax", "error", None, f"it cannot be read: {error}.", "Write it anew with fluxlit build --force."
        )
        return
    for rule in _RULES:
        yield from rule(Seen(project, found))


def _found(id_: str, severity: Severity, at: Instruction | None, message: str, remedy: str) -> Finding:
    return Finding(f"docker-{id_}", severity, FILE, at.line if at else None, message, remedy)


def _user(seen: Seen) -> Iterator[Finding]:
    user = seen.dockerfile.last("USER")
    name = user.bare.partition(":")[0] if user else "root"
    if name in {"root", "0"}:
        message = "the application runs as root, so an attacker who breaks into it owns the container."
        yield _found("user", "error", user, message, "End with USER 10001:10001.")
    elif not name.isdecimal():
        message = f"USER {name} is a name, and Kubernetes cannot see whether that is root."
        yield _found("user-number", "warning", user, message, "Use the number, as in USER 10001:10001.")


def _command(seen: Seen) -> Iterator[Finding]:
    given = [each for each in (seen.dockerfile.last("ENTRYPOINT"), seen.dockerfile.last("CMD")) if each]
    if not given and seen.dockerfile.final:
        message = "there is no CMD, so the container starts the base image's program."
        yield _found("command", "error", None, message, f'Add CMD ["fluxlit", "run", "{seen.project.target}"].')
    if given and not _STARTS.search(" ".join(each.bare for each in given)):
        message = f"the container starts {given[-1].bare}, which does not look like FluxLit or a script."
        yield _found("command", "error", given[-1], message, f'Write CMD ["fluxlit", "run", "{seen.project.target}"].')
    for each in given:
        words = each.exec_form
        if words is None:
            message = (
                f"{each.word} is a string, so a shell is process 1 and keeps SIGTERM to itself: each stop is a kill."
            )
            yield _found(
                "shell", "error", each, message, f'Write a list, as in CMD ["fluxlit", "run", "{seen.project.target}"].'
            )
        else:
            yield from _words(seen, each, words)


def _words(seen: Seen, at: Instruction, words: list[str]) -> Iterator[Finding]:
    if words[:2] == ["fluxlit", "dev"]:
        message = "fluxlit dev is for development: it reloads, and shows errors to visitors."
        yield _found("dev", "error", at, message, "Use fluxlit run.")
    target = words[2] if words[:2] == ["fluxlit", "run"] and len(words) > 2 else seen.project.target
    if not target.startswith("-") and target.removeprefix("./") != seen.project.target.removeprefix("./"):
        message = f"the container starts {target}, but the project's target is {seen.project.target}."
        yield _found("target", "error", at, message, "Make both the same.")
    workers = re.search(r"--workers[= ](\d+)", " ".join(words))
    if "uvicorn" in words and workers and int(workers[1]) > 1:
        message = "several uvicorn workers would each start their own Streamlit; FluxLit refuses to start."
        yield _found("workers", "error", at, message, "Take --workers out and set streamlit_workers.")


def _address(seen: Seen) -> Iterator[Finding]:
    command = seen.dockerfile.last("CMD")
    text = command.bare if command else ""
    host = seen.dockerfile.environment().get("FLUXLIT_GATEWAY_HOST", str(seen.project.settings.get("gateway_host", "")))
    if seen.dockerfile.final and host not in _EVERYWHERE and "--host" not in text and "--uds" not in text:
        message = f"the application listens on {host or '127.0.0.1'}, where nothing outside the container can reach it."
        yield _found("host", "error", command, message, "Add ENV FLUXLIT_GATEWAY_HOST=0.0.0.0.")
    port = seen.dockerfile.environment().get("FLUXLIT_GATEWAY_PORT", str(seen.project.port))
    exposed = [each for each in seen.dockerfile.final if each.word == "EXPOSE"]
    if exposed and "--port" not in text and not any(port in re.split(r"[\s/]+", each.bare) for each in exposed):
        message = f"it exposes {exposed[-1].bare}, but the application listens on {port}."
        yield _found("port", "warning", exposed[-1], message, f"Write EXPOSE {port}.")


def _health(seen: Seen) -> Iterator[Finding]:
    found, remedy = seen.dockerfile.last("HEALTHCHECK"), 'Write HEALTHCHECK CMD ["fluxlit", "healthcheck"].'
    if seen.dockerfile.final and (found is None or found.bare.upper() == "NONE"):
        message = "there is no health check, so a hang is not noticed."
        yield _found("health", "warning", found, message, remedy)
    elif found and (tool := re.search(r"\b(curl|wget)\b", found.text)) and not _is_installed(seen, tool[1]):
        message = f"the health check needs {tool[1]}, which slim images do not have: it would always fail."
        yield _found("health-tool", "error", found, message, remedy)


def _is_installed(seen: Seen, tool: str) -> bool:
    return any(each.word == "RUN" and re.search(rf"install\b.*\b{tool}\b", each.text) for each in seen.dockerfile.final)


def _signal(seen: Seen) -> Iterator[Finding]:
    found = seen.dockerfile.last("STOPSIGNAL")
    if found and found.bare.upper().removeprefix("SIG") not in {"TERM", "15", "INT", "2"}:
        message = f"{found.bare} does not make FluxLit finish what is under way."
        yield _found("signal", "error", found, message, "Write STOPSIGNAL SIGTERM.")


def _secrets(seen: Seen) -> Iterator[Finding]:
    for each in seen.dockerfile.all("ENV", "ARG"):
        for name, value in each.pairs().items():
            if is_secret(name, value):
                message = f"{name} is a secret, and all who have the image can read it."
                yield _found(
                    "secret", "error", each, message, "Take it out, revoke it, and give a new one at run time."
                )
    for each in seen.dockerfile.all("COPY", "ADD"):
        if found := _SECRET_FILE.search(each.bare):
            message = f"{found[2]} gets into a layer, where it stays even if a later one deletes it."
            yield _found(
                "secret", "error", each, message, "Mount it with RUN --mount=type=secret, or give it at run time."
            )


def _locked(seen: Seen) -> Iterator[Finding]:
    dependencies = seen.project.dependencies
    exact = "--require-hashes" if dependencies.exact else None
    pattern = r"--(locked|frozen)\b" if dependencies.kind is LockKind.UV else exact
    installs = [each for each in seen.dockerfile.all("RUN") if _INSTALLS.search(each.text)]
    if pattern and installs and not any(re.search(pattern, each.text) for each in installs):
        message = f"{dependencies.file} holds the hash of every file, and no installation looks at them."
        remedy = "Use uv sync --locked, or uv pip install --require-hashes -r requirements.txt."
        yield _found("hashes", "warning", installs[-1], message, remedy)


def _converted(seen: Seen) -> Iterator[Finding]:
    for path, digest in seen.project.dependencies.digests:
        if seen.dockerfile.final and not any(digest in each.text for each in seen.dockerfile.all("RUN")):
            message = f"{path} has changed since this was written, and the installation would stop there."
            yield _found("stale", "error", None, message, _ANEW)


_RULES: tuple[Callable[[Seen], Iterator[Finding]], ...] = (
    _user,
    _command,
    _address,
    _health,
    _signal,
    _secrets,
    _locked,
    _converted,
)
