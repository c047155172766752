"""A description of a project says what the project says, on whatever machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxlit.server.registry import END_S
from fluxlit.settings import Settings
from fluxlit_deploy.description import WORKERS_STOP_S, Project, inspect_project
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
