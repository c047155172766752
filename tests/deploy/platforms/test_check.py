"""Checks of files for platforms that were edited."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from fluxlit_deploy.build_table import BuildTable
from fluxlit_deploy.description import Project
from fluxlit_deploy.generators import check as check_all
from fluxlit_deploy.options import PLATFORMS, Options, Platform
from fluxlit_deploy.platforms import check, platform_files

IMAGE = "registry.test/portal:1.4.2"
UNIT, LISTENER, FLY, RENDER, RUN, AZURE = (
    "platform/systemd/portal.service",
    "platform/systemd/portal.socket",
    "platform/fly/fly.toml",
    "platform/render/render.yaml",
    "platform/cloud-run/cloud-run.yaml",
    "platform/azure/azure.yaml",
)


def project(image: str = IMAGE, **settings: Any) -> Project:
    return Project("portal", "Portal", "app:app", settings=settings, build=BuildTable(kubernetes={"image": image}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of all platforms."""
    write(tmp_path, project())
    return tmp_path


def write(folder: Path, subject: Project, *platforms: Platform) -> None:
    for platform in platforms or PLATFORMS:
        for file in platform_files(subject, Options(platform=platform)):
            path = folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text)


def findings(folder: Path, subject: Project | None = None) -> list[tuple[str, str, int | None]]:
    return [(each.id, each.file, each.line) for each in check(subject or project(), folder)]


@pytest.mark.parametrize(
    "settings",
    [{}, {"gateway_port": 9000, "api_mount_path": "/backend"}, {"uvicorn_graceful_shutdown_timeout_s": 90.0}],
    ids=["plain", "other port and API", "long grace"],
)
def test_what_is_generated_is_fine(settings: dict[str, Any], tmp_path: Path) -> None:
    subject = project(**settings)
    write(tmp_path, subject)

    assert findings(tmp_path, subject) == []


def test_nothing_is_missed_where_there_is_nothing(tmp_path: Path) -> None:
    assert findings(tmp_path) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "id_", "at"),
    [
        (UNIT, "TimeoutStopSec=50", "TimeoutStopSec=20s", "grace", "TimeoutStopSec"),
        (UNIT, "TimeoutStopSec=50", "TimeoutStopSec=1min", None, ""),
        (UNIT, "TimeoutStopSec=50", "TimeoutStopSec=infinity", None, ""),
        (UNIT, "fluxlit run", "fluxlit dev", "command", "ExecStart"),
        (UNIT, "run app:app", "run main:app", "command", "ExecStart"),
        (UNIT, "FLUXLIT_LOG_FORMAT=json", "FLUXLIT_SECRET_KEY=abc", "secret", "Environment="),
        (LISTENER, "127.0.0.1:8000", "127.0.0.1:80", "port", "ListenStream"),
        (FLY, 'kill_timeout = "50"', "kill_timeout = 30", "grace", "kill_timeout"),
        (FLY, 'kill_timeout = "50"\n', "", "grace", ""),
        (FLY, "internal_port = 8000", "internal_port = 8080", "port", "internal_port"),
        (FLY, 'FLUXLIT_GATEWAY_PORT = "8000"', 'FLUXLIT_GATEWAY_PORT = "8080"', "port", "internal_port"),
        (FLY, 'path = "/api/readyz"', 'path = "/"', "probe", "path ="),
        (FLY, "172.16.0.0/12,fdaa::/16", "*", "trust", "ALLOW_IPS"),
        (FLY, "[env]", "[env", "syntax", ""),
        (FLY, "[env]", '[env]\nFLUXLIT_SESSION_STORE = "redis://:abc@cache"', "secret", "SESSION_STORE ="),
        (RENDER, "maxShutdownDelaySeconds: 50", "maxShutdownDelaySeconds: 10", "grace", "maxShutdown"),
        (RENDER, "healthCheckPath: /api/readyz", "healthCheckPath: /health", "probe", "healthCheckPath"),
        (RENDER, 'key: PORT\n        value: "8000"', 'key: PORT\n        value: "10000"', "port", "key: PORT"),
        (RENDER, "generateValue: true", "value: abc", "secret", "SECRET_KEY"),
        (RENDER, "services:", "services: [", "syntax", None),
        (RUN, "containerPort: 8000", "containerPort: 8080", "port", "containerPort"),
        (RUN, "/api/healthz", "/api/readyz", "liveness", "path: /api/readyz"),
        (RUN, 'value: "5"', 'value: "25"', "grace", ""),
        (RUN, IMAGE, "registry.test/portal", "image", "image:"),
        (AZURE, "terminationGracePeriodSeconds: 50", "terminationGracePeriodSeconds: 5", "grace", "termination"),
        (AZURE, "targetPort: 8000", "targetPort: 80", "port", "targetPort"),
        (AZURE, "path: /api/healthz", "path: /", "probe", "path: /"),
        (AZURE, "value: REPLACE", "value: abc", "secret", "value: abc"),
        (AZURE, IMAGE, "registry.example/portal:1.0.0", "image", "image:"),
        (AZURE, "100.64.0.0/10", "0.0.0.0/0", "trust", "ALLOW_IPS"),
    ],
)  # fmt: skip
def test_each_mistake_is_found_where_it_is(
    file: str, old: str, new: str, id_: str | None, at: str | None, folder: Path
) -> None:
    path = folder / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))

    found = findings(folder)

    if id_ is None:
        assert found == []
        return
    assert {each[:2] for each in found} == {(f"platform-{id_}", file)}
    lines = path.read_text().splitlines()
    if at is not None:
        last = max((number for number, line in enumerate(lines, 1) if at in line), default=None) if at else None
        assert last in {each[2] for each in found}


def test_a_file_is_found_where_its_platform_wants_it(folder: Path) -> None:
    shutil.move(folder / FLY, folder / "fly.toml")
    (folder / "fly.toml").write_text(
        (folder / "fly.toml").read_text().replace("internal_port = 8000", "internal_port = 1")
    )

    assert [each[:2] for each in findings(folder)] == [("platform-port", "fly.toml")]


@pytest.mark.parametrize(
    "text", ["", "[]\n", "services: 5\n", "services: [5]\n", "- 1\n", "\x00", "type: Microsoft.App/containerApps\n"]
)
@pytest.mark.parametrize("file", [FLY, RENDER, RUN, AZURE, UNIT])
def test_files_of_any_content_give_findings_and_no_crash(file: str, text: str, folder: Path) -> None:
    (folder / file).write_text(text)

    assert {each[1] for each in findings(folder)} <= {file}


def test_the_command_asks_this_check(folder: Path) -> None:
    (folder / RENDER).write_text((folder / RENDER).read_text().replace("/api/readyz", "/"))

    assert "platform-probe" in {each.id for each in check_all(project(), folder)}
