"""The description of a project is the same on every machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxlit.server.registry import END_S
from fluxlit.settings import Settings
from fluxlit_deploy.description import WORKERS_STOP_S, Project, inspect_project
from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.size import memory_mib, processes

APP = 'from fluxlit import FluxLit\n\napp = FluxLit(title="Portal"{})\n'


@pytest.mark.parametrize(
    ("argument", "toml"), [("", 'streamlit_workers = "auto"\n'), (', streamlit_workers="auto"', "")]
)
def test_auto_stays_auto(argument: str, toml: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP.format(argument))
    (tmp_path / "fluxlit.toml").write_text(toml)

    found = inspect_project(tmp_path)

    assert found.workers == "auto"
    assert found.settings["streamlit_workers"] == "auto"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, 2),
        ({"streamlit_workers": 4}, 5),
        ({"streamlit_workers": "auto"}, 3),
        ({"api_workers": 2}, 4),
        ({"streamlit_workers": "auto", "streamlit_mode": "embedded"}, 1),
        ({"streamlit_workers": 4, "streamlit_mode": "external"}, 1),
    ],
)
def test_processes_are_counted(settings: dict[str, object], expected: int) -> None:
    assert processes(Project("portal", "Portal", "app:app", settings=settings)) == expected
    assert memory_mib(expected) == 192 + 320 * (expected - 1)


def test_a_shutdown_takes_as_long_as_the_gateway_says() -> None:
    defaults = Settings()
    said = defaults.gateway_drain_delay_s + defaults.uvicorn_graceful_shutdown_timeout_s

    assert WORKERS_STOP_S == END_S
    assert Project("portal", "", "app:app").stop_seconds == said + defaults.api_shutdown_timeout_s + END_S


def test_debian_packages_come_from_three_places(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP.format(""))
    (tmp_path / "requirements.txt").write_text("fluxlit-cli\nopencv-python\npsycopg2\na @ git+https://example.com/a\n")
    (tmp_path / "packages.txt").write_bytes("\ufeffffmpeg\r\n# a comment\r\n\r\nlibpq5 # also\r\n".encode())
    (tmp_path / "fluxlit.toml").write_text('[build]\nsystem_packages = ["poppler-utils"]\n')

    found = inspect_project(tmp_path)

    assert found.system_packages == ["ffmpeg", "libgl1", "libglib2.0-0", "libpq5", "poppler-utils"]
    assert {"git", "gcc", "libpq-dev", *found.system_packages} <= set(found.build_packages)
    assert found.build_secrets == ("netrc",)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"packages.txt": "ffmpeg && reboot\n"}, 'packages.txt holds "ffmpeg && reboot"'),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython = "3.7.5"\n'}, '"==3.7.5", admits none of 3.12'),
        ({"fluxlit.toml": '[build]\nextras = "web"\n'}, "extras must be a list of names"),
        ({"fluxlit.toml": '[build]\nrequirements = "../a.txt"\n'}, "requirements must be a name"),
    ],
)
def test_what_cannot_be_built_is_named(files: dict[str, str], message: str, tmp_path: Path) -> None:
    for name, text in ({"app.py": APP.format("")} | files).items():
        (tmp_path / name).write_text(text)

    with pytest.raises(DeployError, match=message):
        inspect_project(tmp_path)
