"""Generate the files of a platform."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import PurePosixPath

from fluxlit_deploy.description import Project
from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.file import File
from fluxlit_deploy.kubernetes.image import parse_image
from fluxlit_deploy.options import Options, Platform
from fluxlit_deploy.size import processes
from fluxlit_deploy.template import render

_FILES: dict[Platform, dict[str, str]] = {
    "systemd": {"{name}.service": "app.service", "{name}.socket": "app.socket"},
    "fly": {"fly.toml": "fly.toml"},
    "render": {"render.yaml": "render.yaml"},
    "cloud-run": {"cloud-run.yaml": "cloud-run.yaml"},
    "azure": {"azure.yaml": "azure.yaml"},
}

# How long each waits at most between SIGTERM and SIGKILL, by its own documentation.
_LONGEST_S: dict[Platform, int] = {"fly": 300, "render": 300, "azure": 600}


@dataclass(frozen=True)
class Values:
    """What the templates use.

    Attributes:
        start_s: seconds until the application must be ready.
        stop_s: seconds from SIGTERM to the exit in the worst case.
        processes: the gateway and its workers.
        startup_tries: probes, one every two seconds, until the start has failed.
        startup_period_s: seconds between probes where ten may fail at most (Azure Container Apps).
    """

    name: str
    title: str
    target: str
    image: str
    port: int
    api: str
    processes: int
    start_s: int
    stop_s: int
    startup_tries: int
    startup_period_s: int


def platform_files(project: Project, options: Options) -> tuple[File, ...]:
    """Make the files below ``platform/NAME/``.

    Raises:
        DeployError: the platform kills before the project's shutdown is over.
    """
    if options.platform is None:
        raise DeployError("No platform was named.")
    longest = _LONGEST_S.get(options.platform)
    if longest is not None and project.stop_seconds > longest:
        raise DeployError(
            f"A shutdown may take {project.stop_seconds} s by the project's settings, but {options.platform} kills "
            f"after {longest} s. Lower uvicorn_graceful_shutdown_timeout_s or gateway_drain_delay_s."
        )
    folder, values = PurePosixPath("platform") / options.platform, _values(project)
    return tuple(
        File(folder / name.format(name=project.name), render(f"platforms/{template}", p=values))
        for name, template in _FILES[options.platform].items()
    )


def _values(project: Project) -> Values:
    image = str(project.build.kubernetes.get("image") or f"registry.example/{project.name}:1.0.0")
    return Values(
        name=project.name,
        title=project.title or project.name,
        target=project.target,
        image=str(parse_image(image)),
        port=project.port,
        api=project.api_path,
        processes=processes(project),
        start_s=project.start_seconds,
        stop_s=project.stop_seconds,
        startup_tries=math.ceil(project.start_seconds / 2),
        startup_period_s=math.ceil(project.start_seconds / 10),
    )
