"""Files for platforms are valid, hardened, and have fitting times."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from fluxlit_deploy.description import Project
from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.options import PLATFORMS, Options, Platform
from fluxlit_deploy.platforms import platform_files


def files_of(platform: Platform, **settings: Any) -> dict[str, str]:
    project = Project("portal", "Admin portal", "app:app", settings=settings)
    return {file.path.name: file.text for file in platform_files(project, Options(platform=platform))}


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that is there."""
    for name, text in files_of("systemd").items():
        (tmp_path / name).write_text(re.sub(r"ExecStart=\S+", f"ExecStart={sys.executable}", text))
    return tmp_path / "portal.service"


def systemd_analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    assert program is not None, "There is no systemd-analyze. It comes with scripts/system-packages.txt."
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_systemd_accepts_the_unit(unit: Path) -> None:
    done = systemd_analyze("verify", "--man=no", unit, unit.with_suffix(".socket"))

    assert done.returncode == 0, done.stderr
    assert "portal." not in done.stderr


def test_systemd_notices_a_mistake(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSistem=strict"))

    assert "ProtectSistem" in systemd_analyze("verify", "--man=no", unit).stderr


def test_the_unit_is_hardened(unit: Path) -> None:
    done = systemd_analyze("security", "--offline=true", "--threshold=12", "--no-pager", unit)

    assert done.returncode == 0, done.stdout
    [exposure] = re.findall(r"exposure level for portal\.service: ([\d.]+)", done.stdout)
    assert float(exposure) <= 1.2


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_files_can_be_read(platform: Platform) -> None:
    for name, text in files_of(platform).items():
        if name.endswith(".yaml"):
            assert yaml.safe_load(text)
        elif name.endswith(".toml"):
            assert tomllib.loads(text)
        assert "<%" not in text


@pytest.mark.parametrize("start", [10.0, 60.0, 180.0])
def test_azure_waits_as_long_as_a_start_may_take(start: float) -> None:
    template = yaml.safe_load(files_of("azure", streamlit_start_timeout_s=start)["azure.yaml"])["properties"][
        "template"
    ]
    [probe] = [each for each in template["containers"][0]["probes"] if each["type"] == "Startup"]

    assert probe["failureThreshold"] <= 10
    assert probe["periodSeconds"] * probe["failureThreshold"] >= start


def test_times_follow_the_settings() -> None:
    settings = {"gateway_drain_delay_s": 5.0, "uvicorn_graceful_shutdown_timeout_s": 40.0}

    assert "TimeoutStopSec=65\n" in files_of("systemd", **settings)["portal.service"]
    assert tomllib.loads(files_of("fly", **settings)["fly.toml"])["kill_timeout"] == "65"
    assert yaml.safe_load(files_of("render", **settings)["render.yaml"])["services"][0]["maxShutdownDelaySeconds"] == 65
    template = yaml.safe_load(files_of("azure", **settings)["azure.yaml"])["properties"]["template"]
    assert template["terminationGracePeriodSeconds"] == 65
    # Cloud Run gives ten seconds and cannot be asked for more: there the file changes the setting.
    run = yaml.safe_load(files_of("cloud-run", **settings)["cloud-run.yaml"])
    variables = {each["name"]: each.get("value") for each in run["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert variables["FLUXLIT_UVICORN_GRACEFUL_SHUTDOWN_TIMEOUT_S"] == "5"
    assert variables["FLUXLIT_GATEWAY_DRAIN_DELAY_S"] == "0"


@pytest.mark.parametrize(("platform", "longest"), [("fly", 300), ("render", 300), ("azure", 600)])
def test_a_shutdown_that_takes_longer_than_a_platform_waits_is_refused(platform: Platform, longest: int) -> None:
    with pytest.raises(DeployError, match=f"{platform} kills after {longest} s"):
        files_of(platform, uvicorn_graceful_shutdown_timeout_s=float(longest))
