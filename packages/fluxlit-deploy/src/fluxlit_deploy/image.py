"""The image: `Dockerfile` and `.dockerignore`."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from fluxlit_deploy.base import base_image
from fluxlit_deploy.dependencies import PYPROJECT, UV_LOCK, Dependencies, LockKind
from fluxlit_deploy.description import Project
from fluxlit_deploy.dockerignore import FILE, ignore_text
from fluxlit_deploy.file import File
from fluxlit_deploy.options import Options
from fluxlit_deploy.template import render_file

UID = 10001
"""User and group of the container. Above 10000, so that it is no user of the host."""

UV_VERSION = "0.13.9"
"""The installer in the build stage; it is not in the image that runs."""

GENERATED = "requirements.image.txt"
"""Requirements that were made of another tool's file; uv reads them in the build stage."""

_VENV = "uv venv --quiet /opt/venv"


def files(project: Project, _options: Options) -> tuple[File, ...]:
    """Make the Dockerfile, the .dockerignore and, if needed, requirements."""
    dependencies, build = project.dependencies, project.build
    if dependencies.kind is LockKind.NONE:
        return ()  # the advice has an error for it, and nothing is written
    early, late = _installations(dependencies)
    dockerfile = render_file(
        "Dockerfile",
        "docker/Dockerfile.jinja",
        project=project,
        build=build,
        dependencies=dependencies,
        base_image=base_image(project),
        uv_version=UV_VERSION,
        uid=UID,
        secrets=[_secret(each) for each in project.build_secrets],
        because=dependencies.file,
        mounts=mounts(dependencies),
        early=early,
        late=late,
        brings_command=bool(early) and not any(name.startswith("fluxlit") for name in dependencies.folders),
        start_s=project.start_seconds,
        sets_port=project.settings.get("gateway_port") == 0,
    )
    ignore = File(PurePosixPath(FILE), ignore_text(project.ignored, needed(project), _session_file(project)))
    return dockerfile, ignore, *_generated(dependencies)


def mounts(dependencies: Dependencies) -> list[str]:
    """Return the paths that the installation of the dependencies reads."""
    named = {UV_LOCK: [UV_LOCK, PYPROJECT]}.get(dependencies.file or "", [dependencies.file])
    generated = [GENERATED] if dependencies.generated else []
    return [path for path in [*named, *generated, *dependencies.local] if path]


def _generated(dependencies: Dependencies) -> list[File]:
    if not dependencies.generated:
        return []
    head = f"# Made of {dependencies.file} by `fluxlit build`; run it again after a change there.\n"
    return [File(PurePosixPath(GENERATED), head + dependencies.generated)]


def _secret(name: str) -> str:
    """Return the mount of a secret, which is in no layer."""
    target = ",target=/root/.netrc" if name == "netrc" else ""
    return f"--mount=type=secret,id={name}{target}"


def _installations(dependencies: Dependencies) -> tuple[list[str], list[str]]:
    """Return the commands before and after the project is copied."""
    if dependencies.kind is LockKind.UV:
        return _uv_sync(dependencies)
    pip = "".join(f'{name}="$(cat /run/secrets/{name})" ' for name in dependencies.variables) + "uv pip install"
    checks = [f'test "$(sha256sum {path})" = "{digest}  {path}"' for path, digest in dependencies.digests]
    installs = [*checks, _VENV, f"{pip} {install_arguments(dependencies)}"]
    project = [f"{pip} --no-deps ."] if dependencies.installs_project else []
    return ([], [*installs, *project]) if dependencies.needs_source else (installs, project)


def _uv_sync(dependencies: Dependencies) -> tuple[list[str], list[str]]:
    wanted = dependencies.wanted
    chosen = [f"--package {wanted.package}"] if wanted.package else []
    chosen += [f"--extra {each}" for each in wanted.extras] + [f"--group {each}" for each in wanted.groups]
    options = " ".join(["--no-dev --no-editable", *chosen])
    if not dependencies.folders:
        late = [f"uv sync --locked {options}"] if dependencies.installs_project else []
        return [f"uv sync --locked {options} --no-install-project"], late
    # Folders of the project are not there yet, so the lock cannot be compared with them before the second command.
    skipped = " ".join(f"--no-install-package {each}" for each in dependencies.folders)
    early = f"uv sync --frozen {options} --no-install-workspace {skipped}"
    return [early], [f"uv sync --locked {options}"]


def install_arguments(dependencies: Dependencies) -> str:
    """Return the arguments of ``uv pip install``, as a shell reads them."""
    wanted = dependencies.wanted
    if dependencies.kind is LockKind.SOURCE:
        return f'".[{",".join(wanted.extras)}]"' if wanted.extras else "."
    if dependencies.kind is LockKind.PYPROJECT:
        extras = [f"--extra {each}" for each in wanted.extras]
        groups = [f"--group {each}" for each in wanted.groups]
        return " ".join(["-r pyproject.toml", *extras, *groups])
    file = GENERATED if dependencies.generated else dependencies.file
    return f"--require-hashes -r {file}" if dependencies.exact else f"-r {file}"


def needed(project: Project) -> list[str]:
    """Return the paths without which the image cannot be built or started."""
    module = project.target.partition(":")[0]
    source = module if module.endswith(".py") else f"{module.replace('.', '/')}.py"
    return [each.removeprefix("./") for each in (*mounts(project.dependencies), source)]


def _session_file(project: Project) -> str:
    """Return the SQLite file of the sessions if the project has one."""
    path = re.match(r"sqlite:///(?!/)([^?]+)", project.session_store or "")
    return path[1] if path else ""
