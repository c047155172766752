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
"""User and group of the container. Above 10000, so that it is nobody on the host either."""

UV_VERSION = "0.13.9"
"""The installer in the build stage; it is not in the image that runs."""

SECRET = "--mount=type=secret,id=netrc,target=/root/.netrc "  # noqa: S105  # the name of one
"""Credentials for a private index: there while one command runs, in no layer."""

_VENV = "uv venv --quiet /opt/venv && uv pip install "
_DEPENDENCIES = {
    LockKind.UV: "uv sync --locked --no-dev --no-editable --no-install-project",
    LockKind.HASHED: f"{_VENV}--require-hashes -r requirements.txt",
    LockKind.UNHASHED: f"{_VENV}-r requirements.txt",
    LockKind.PYPROJECT: f"{_VENV}-r pyproject.toml",
    LockKind.NONE: f'{_VENV}"fluxlit-cli>=1.0,<2"',
}


def files(project: Project, _options: Options) -> tuple[File, ...]:
    """Make the Dockerfile and the .dockerignore."""
    dependencies, build = project.dependencies, project.build
    secret = SECRET if build.index_url or dependencies.private_index else ""
    dockerfile = render_file(
        "Dockerfile",
        "docker/Dockerfile.jinja",
        project=project,
        build=build,
        dependencies=dependencies,
        base_image=base_image(project),
        # A library that is compiled needs the headers and, in the same stage, the library.
        build_packages=sorted({*build.build_packages, *build.system_packages}) if build.build_packages else [],
        uv_version=UV_VERSION,
        uid=UID,
        secret=secret,
        because=dependencies.file or "this file",
        mounts=mounts(dependencies),
        install=_DEPENDENCIES[dependencies.kind],
        install_project=_install_project(dependencies),
        start_s=project.start_seconds,
        sets_port=project.settings.get("gateway_port") == 0,
    )
    ignore = ignore_text(project.ignored, needed(project), _session_file(project))
    return dockerfile, File(PurePosixPath(FILE), ignore)


def needed(project: Project) -> list[str]:
    """Return the paths without which the image cannot be built or started."""
    module = project.target.partition(":")[0]
    source = module if module.endswith(".py") else f"{module.replace('.', '/')}.py"
    return [each.removeprefix("./") for each in (*mounts(project.dependencies), source)]


def mounts(dependencies: Dependencies) -> list[str]:
    """Return the paths of the project that the installation of the dependencies reads."""
    named = {UV_LOCK: [UV_LOCK, PYPROJECT]}.get(dependencies.file or "", [dependencies.file])
    return [path for path in [*named, *dependencies.local] if path]


def _session_file(project: Project) -> str:
    """Return the file that holds the sessions of this machine, if it is in the project's folder."""
    path = re.match(r"sqlite:///(?!/)([^?]+)", project.session_store or "")
    return path[1] if path else ""


def _install_project(dependencies: Dependencies) -> str:
    if dependencies.kind is LockKind.UV:
        return "uv sync --locked --no-dev --no-editable"
    return "uv pip install --no-deps ."
