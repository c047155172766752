"""What every test of the tree shares."""

import gc
import signal
import subprocess
import sys
from pathlib import Path

import certifi
import pytest

from tests.support import programs

RELEASE = Path(__file__).parent / "release"

# Programs that tests start would inherit that they are ignored, from nohup and from a shell in the background.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
# Thousands of tests are collected, and none of them is garbage: the collector would walk them again and again.
gc.disable()
# Each client of httpx would read all authorities, which takes 20 ms of computing. Tests trust none of them.
pytest.MonkeyPatch().setattr(certifi, "where", lambda: str(Path(__file__).parent / "support" / "authority.pem"))


WARM_UP = """
import fluxlit_cli.run, fluxlit.server.serve, fluxlit.testing, fluxlit.worker.program
from streamlit.testing.v1 import AppTest
AppTest.from_string("import streamlit as st; st.dataframe([1])").run(timeout=600)
"""


def pytest_configure(config: pytest.Config) -> None:
    """Compile and read the libraries once.

    In a new environment, the first tests of all processes would do that at once, beside the checks that install theirs.
    """
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        subprocess.run([sys.executable, "-c", WARM_UP], capture_output=True, timeout=900, check=True)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip the tests of the wheels unless they are named on the command line.

    `hatch run release:test` has what they need.
    """
    asked_for = any("release" in Path(argument).parts for argument in config.args)
    return True if collection_path == RELEASE and not asked_for else None


def expected_s(item: pytest.Item) -> float:
    """How long a test may take; for the order alone."""
    own = item.get_closest_marker("timeout")
    if own is not None:
        return float(own.args[0])
    return 1 if item.get_closest_marker("slow") or item.get_closest_marker("browser") else 0


@pytest.hookimpl(trylast=True)  # pytest-randomly shuffles first
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the long files, so that none of them is left for the end."""
    if hasattr(config, "workerinput"):
        expected: dict[Path, float] = {}
        for item in items:
            expected[item.path] = expected.get(item.path, 0) + expected_s(item)
        items.sort(key=lambda item: -expected[item.path])


def pytest_collection_finish() -> None:
    """Fork programs, and collect the garbage of tests, from here on."""
    gc.freeze()
    gc.enable()
    programs.fluxlit()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """FluxLit runs on asyncio; uvicorn and Streamlit offer nothing else."""
    return "asyncio"
