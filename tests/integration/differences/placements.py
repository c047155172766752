"""The ways to run the application, and what is seen of it in each."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

from tests.integration.differences.observation import Facts, Placement, started
from tests.integration.differences.project import FILES
from tests.support.chromium import open_chromium

PLAIN = "plain"
PLACEMENTS = ("workers", "embedded", "external", "uvicorn", "root path", "api workers")
BROWSED = ("plain ui", "workers", "embedded", "root path")

_BIN = Path(sys.executable).parent


def run_all(directory: Path) -> dict[str, Facts]:
    """The facts of each setup.

    `plain` has those of Streamlit and of uvicorn alone.
    """
    with ExitStack() as stack:
        placements = list(_start_all(stack, directory))
        for each in placements:
            each.wait()
            each.observe()
        with open_chromium() as browser:
            for each in placements:
                if each.api is not None:
                    each.browse_api(browser)
                if each.name in BROWSED:
                    each.browse_ui(browser)
        for each in reversed(placements):
            each.stop()
    facts = {each.name: each.facts for each in placements}
    return {PLAIN: facts.pop("plain ui") | facts.pop("plain api"), **facts}


def _start_all(stack: ExitStack, directory: Path) -> list[Placement]:
    fluxlit, uvicorn, streamlit = (str(_BIN / name) for name in ("fluxlit", "uvicorn", "streamlit"))
    folders = {}
    for name in ("ui", "api", "workers", "embedded", "uvicorn", "mounted", "api-workers"):
        folders[name] = directory / name / "project"
        folders[name].mkdir(parents=True)
        for file, text in FILES.items():
            (folders[name] / file).write_text(text)
    alone = [streamlit, "run", "ui.py", "--server.port", "PORT", "--server.headless", "true"]
    ui = started(stack, folders["ui"], "plain ui", [*alone, "--server.address", "127.0.0.1"], ui="", api=None)
    upstream = f"http://127.0.0.1:{ui.port}"
    run = [fluxlit, "run", "app:app", "--port", "PORT"]
    return [
        ui,
        started(stack, folders["api"], "plain api", [uvicorn, "service:api", "--port", "PORT"], ui=None, api=""),
        started(stack, folders["workers"], "workers", run, ui="", api="/api"),
        started(stack, folders["embedded"], "embedded", [*run, "--streamlit-mode", "embedded"], ui="", api="/api"),
        started(stack, folders["ui"], "external", [*run, "--streamlit-upstream", upstream], ui="", api="/api"),
        started(stack, folders["uvicorn"], "uvicorn", [uvicorn, "app:app", "--port", "PORT"], ui="", api="/api"),
        started(
            stack,
            folders["mounted"],
            "root path",
            [*run, "--workers", "2", "--root-path", "/m/app"],
            ui="/m/app",
            api="/m/app/api",
        ),
        started(stack, folders["api-workers"], "api workers", [*run, "--api-workers", "1"], ui="", api="/api"),
    ]
