"""What every test of the tree shares."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """FluxLit runs on asyncio; uvicorn and Streamlit offer nothing else."""
    return "asyncio"
