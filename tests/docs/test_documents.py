"""The code blocks and links of every document work."""

from pathlib import Path

import pytest

from tests.docs.markdown import documents, links
from tests.docs.runner import follow
from tests.support.processes import ROOT

DOCUMENTS = [str(path.relative_to(ROOT)) for path in documents()]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("document", DOCUMENTS)
def test_code_blocks_work(document: str, tmp_path: Path) -> None:
    follow(ROOT / document, tmp_path / "reader")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    path = ROOT / document
    inside = [link.partition("#")[0] for link in links(path.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in inside if link and not (path.parent / link).exists()] == []


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {str(path.relative_to(ROOT / "docs")) for path in ROOT.glob("docs/**/*.md")} - {"index.md"}
    assert pages - set(links(index)) == set()
