"""Pages name what their scripts ask first; nothing else does."""

from __future__ import annotations

import asyncio

import pytest

from fluxlit.worker.early_probes import LINK
from tests.gateway.worker.project import COUNTER, Project, run
from tests.gateway.worker.streamlit_client import http_get


@pytest.mark.parametrize("mount", ["", "/apps/shop"], ids=["at-the-root", "mounted"])
def test_pages_name_the_probes_and_nothing_else_does(project: Project, mount: str) -> None:
    project.write("shop.py", COUNTER)

    async def link(path: str) -> str | None:
        _, headers, _ = await asyncio.to_thread(http_get, project.socket, mount + path)
        return headers.get("link")

    async def story() -> None:
        async with project.running(settings={"root_path": mount}):
            for page in ("/", "/orders"):
                assert await link(page) == LINK.decode()
            # The probes of an address that no page has would be looked for in the wrong place.
            for other in ("/some/where", "/_stcore/health", "/favicon.png"):
                assert await link(other) is None

    run(story)
