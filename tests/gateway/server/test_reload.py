"""Reload of the API in the running process."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fluxlit import FluxLitError
from fluxlit.server.runtime import Runtime

pytestmark = pytest.mark.anyio

APP = """
from fluxlit import FluxLit

app = FluxLit()

@app.api.get("/version")
def version() -> int:
    return {version}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "fluxlit.toml").write_text('target = "reloaded:app"\n')
    (tmp_path / "reloaded.py").write_text(APP.format(version=1))
    yield tmp_path / "reloaded.py"
    sys.modules.pop("reloaded", None)


async def version(runtime: Runtime) -> int:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(runtime.asgi)) as client:
        return int((await client.get("http://p/api/version")).text)


@pytest.mark.parametrize("api_workers", [0, pytest.param(1, marks=pytest.mark.slow)])
async def test_changed_code_answers_after_a_reload_and_broken_code_never_does(project: Path, api_workers: int) -> None:
    runtime = Runtime(importlib.import_module("reloaded").app, flags={"api_workers": api_workers}, development=True)
    await runtime.lifecycle.start()
    try:
        project.write_text(APP.format(version=22))
        assert await runtime.reloader.reload(frozenset({project})) == "API"
        assert await version(runtime) == 22
        project.write_text("raise ValueError('half typed')\n")
        with pytest.raises((FluxLitError, ValueError), match="half typed"):
            await runtime.reloader.reload(frozenset({project}))
        assert await version(runtime) == 22
        assert await runtime.reloader.reload(frozenset({project.with_name("README.md")})) == ""
    finally:
        await runtime.lifecycle.stop()
