"""The pages about edges show the files that the tests have run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.markdown import blocks, links
from tests.integration.edges.compose import FOLDER, STACKS
from tests.integration.edges.test_configuration import MATRIX
from tests.support.processes import ROOT

PAGES = sorted((ROOT / "docs" / "how-to" / "edges").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_quoted_file_is_the_file(page: Path) -> None:
    quoted = [block for block in blocks(page.read_text(encoding="utf-8")) if "file" in block.attributes]

    assert quoted or page.name == "choose.md"
    for block in quoted:
        current = (ROOT / block.attributes["file"]).read_text(encoding="utf-8")
        assert block.source == current, f"{page.name}:{block.line} is not {block.attributes['file']} any more"


def test_every_configuration_is_on_a_page() -> None:
    quoted = {block.attributes.get("file") for page in PAGES for block in blocks(page.read_text(encoding="utf-8"))}
    files = [path for name in ("nginx", "caddy", "traefik", "haproxy") for path in (FOLDER / name).iterdir()]

    assert {str(path.relative_to(ROOT)) for path in files} <= quoted


def test_every_stack_is_on_a_page_with_its_address() -> None:
    commands = "".join(
        block.source
        for page in PAGES
        for block in blocks(page.read_text(encoding="utf-8"))
        if block.language == "console"
    )

    for name in STACKS:
        _, scheme, port, prefix = MATRIX[name]
        assert f"PUBLIC_PREFIX={prefix} BASE_URL={scheme}://127.0.0.1:{port} ./smoke-test.sh" in commands
        assert name == "strip-prefix" or f"-f docker-compose.{name}.yml up -d --build" in commands


def test_the_overview_leads_to_every_page() -> None:
    overview = PAGES[0].parent / "choose.md"

    assert {page.name for page in PAGES} - {"choose.md"} <= set(links(overview.read_text(encoding="utf-8")))
