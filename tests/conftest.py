"""What every test of the tree shares."""

from pathlib import Path

import pytest

RELEASE = Path(__file__).parent / "release"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip the tests of the wheels unless they are named on the command line.

    `hatch run release:test` has what they need.
    """
    asked_for = any("release" in Path(argument).parts for argument in config.args)
    return True if collection_path == RELEASE and not asked_for else None


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """FluxLit runs on asyncio; uvicorn and Streamlit offer nothing else."""
    return "asyncio"
