"""The code blocks and links of every document work."""

import pkgutil
import re
from pathlib import Path

import pytest

from tests.docs.markdown import documents, links
from tests.docs.runner import follow
from tests.support.processes import ROOT

# Package indexes show a README without the repository around it, so its links begin with this.
REPOSITORY = "https://github.com/fluxlit/fluxlit/blob/main/"
DOCUMENTS = [str(path.relative_to(ROOT)) for path in documents()]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("document", DOCUMENTS)
def test_code_blocks_work(document: str, tmp_path: Path) -> None:
    follow(ROOT / document, tmp_path / "reader")


def inside(document: str) -> list[Path]:
    """Return the files and folders of the repository that a document links to."""
    path = ROOT / document
    targets = [link.partition("#")[0] for link in links(path.read_text(encoding="utf-8"))]
    found = [ROOT / link.removeprefix(REPOSITORY) for link in targets if link.startswith(REPOSITORY)]
    return found + [path.parent / link for link in targets if link and "://" not in link]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    assert [path for path in inside(document) if not path.exists()] == []


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if Path(name).match("packages/*/README.md")])
def test_links_of_a_readme_work_on_a_package_index(document: str) -> None:
    targets = links((ROOT / document).read_text(encoding="utf-8"))
    assert targets
    assert [link for link in targets if "://" not in link] == []


PICTURE = re.compile(r'(?:src|srcset)="([^":]+)"|\]\(([^):]+\.svg)\)')
IMAGES = ROOT / "docs" / "images"


def pictures(document: str) -> list[Path]:
    """Return the pictures that a document shows."""
    path = ROOT / document
    found = PICTURE.findall(path.read_text(encoding="utf-8"))
    return [(path.parent / (in_html or linked)).resolve() for in_html, linked in found]


def test_every_picture_is_shown_and_exists() -> None:
    shown = {picture for document in DOCUMENTS for picture in pictures(document)}
    assert shown == {path for path in IMAGES.iterdir() if path.suffix != ".md"}
    assert {path.name.replace("light", "dark") for path in shown if path.suffix == ".png"} <= {
        path.name for path in shown
    }


def test_pictures_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in IMAGES.iterdir()}
    assert {name: size for name, size in sizes.items() if size > 80_000} == {}
    assert sum(sizes.values()) < 1_200_000


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {str(path.relative_to(ROOT / "docs")) for path in ROOT.glob("docs/**/*.md")} - {"index.md"}
    assert pages - set(links(index)) == set()


MODULE = re.compile(r"`(fluxlit\w*(?:/\w+)+(?:\.py)?)`")


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if MODULE.search((ROOT / name).read_text())])
def test_the_modules_that_a_document_names_exist(document: str) -> None:
    named = set(MODULE.findall((ROOT / document).read_text(encoding="utf-8")))
    assert [name for name in named if not list(ROOT.glob(f"packages/*/src/{name}"))] == []


DOTTED = re.compile(r"`(fluxlit\w*(?:\.\w+)+)(?:\([^`]*\))?`")
# Files, groups of entry points, and loggers.
OTHERS = re.compile(r".*\.(?:toml|py|conf)|fluxlit\.(?:checks|commands|scaffolds|session_\w+|security)")


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if DOTTED.search((ROOT / name).read_text())])
def test_the_objects_that_a_document_names_exist(document: str) -> None:
    for name in set(DOTTED.findall((ROOT / document).read_text(encoding="utf-8"))):
        if not OTHERS.fullmatch(name):
            pkgutil.resolve_name(name)


def test_where_is_what_names_a_module_in_every_row() -> None:
    page = (ROOT / "docs" / "contributing" / "where-is-what.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| where")]
    assert len(rows) > 40
    for row in rows:
        shown = re.findall(r"\[`([^`]+)`\]\(\.\./\.\./packages/[\w-]+/src/([^)]+)\)", row)
        assert shown, row
        assert [name for name, target in shown if name != target] == []
