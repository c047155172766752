"""A project on disk, and the UI that runs it."""

from __future__ import annotations

import asyncio
import tempfile
import textwrap
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fluxlit.backends.backend import UiFacts
from fluxlit.backends.workers import WorkersBackend
from fluxlit.settings import resolve

COUNTER = """
from fluxlit import FluxLit

app = FluxLit(title="Counter")

@app.page("/")
def home(st):
    st.title("Version 1")
    if st.button("more"):
        st.session_state.count = st.session_state.get("count", 0) + 1
    st.text(f"count {st.session_state.get('count', 0)}")
"""


class Project:
    """Files in a folder of their own, with a short path for sockets."""

    def __init__(self, root: Path, sockets: Path) -> None:
        self.root = root
        self.sockets = sockets

    @property
    def socket(self) -> Path:
        return self.sockets / "worker-1.sock"

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def facts(self, *, target: str | None = "shop:app", **facts: Any) -> UiFacts:
        return UiFacts(app=None, target=target, script=facts.pop("script", None), run_directory=self.sockets, **facts)

    def backend(self, *, settings: dict[str, Any] | None = None, **facts: Any) -> WorkersBackend:
        resolved = resolve(flags=settings or {}, environ={}, directory=self.root)
        return WorkersBackend(self.facts(**facts), resolved)

    @asynccontextmanager
    async def running(self, **options: Any) -> AsyncIterator[WorkersBackend]:
        backend = self.backend(**options)
        await backend.start()
        try:
            yield backend
        finally:
            await backend.stop()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """An empty project, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    with tempfile.TemporaryDirectory(prefix="fluxlit-test-") as sockets:
        yield Project(tmp_path, Path(sockets))


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())
