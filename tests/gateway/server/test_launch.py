"""A fast start.

What may not be imported before the worker runs, and what a worker need not import at all.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import clean_environ

SLOW = {"asyncio", "fastapi", "httpx._client", "pydantic", "streamlit", "typer", "uvicorn"}


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("fluxlit.server.launch", SLOW),
        ("fluxlit.worker.__main__", SLOW),
        ("fluxlit.worker.program", {"fluxlit.proxy", "fluxlit.supervisor.child_process", "httpx._client", "streamlit"}),
        ("fluxlit.server.api_worker", {"httpx._client", "streamlit"}),
        ("fluxlit.app", {"httpx._client", "streamlit", "uvicorn", "fluxlit.server.runtime"}),
        ("fluxlit.server.serve", {"httpx._client", "streamlit"}),
    ],
)
def test_what_takes_long_is_not_imported_too_early(module: str, never: set[str]) -> None:
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=clean_environ()
    )
    assert not never & set(done.stdout.split())


def test_an_adopted_script_costs_the_gateway_nothing(tmp_path: Path) -> None:
    (tmp_path / "page.py").touch()
    (tmp_path / "app.py").write_text("from fluxlit import FluxLit\n\napp = FluxLit(ui='page.py')\n")
    done = subprocess.run(
        [sys.executable, "-c", "import sys, app; print(*sys.modules)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env=clean_environ(),
    )
    assert not {"httpx._client", "streamlit"} & set(done.stdout.split())
