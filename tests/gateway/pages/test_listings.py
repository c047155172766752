"""Navigation, manifest and discovery: the pages as data."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any

import pytest
from pydantic import Field

from fluxlit import Depends, FluxLit, PageError, Query, TargetError
from fluxlit.pages import PageRegistry, discover_pages, manifest, manifest_json
from fluxlit.pages.navigation import sections


def page(st: Any) -> None: ...


def listed(registry: PageRegistry) -> dict[str, list[tuple[str, bool, bool]]]:
    return {
        name: [(entry.url_path, entry.default, entry.hidden) for entry in entries]
        for name, entries in sections(registry).items()
    }


def test_the_landing_page_is_listed_under_its_own_path_too_but_hidden() -> None:
    registry = PageRegistry()
    registry.add("/a", page)
    registry.add("/b", page, default=True)

    assert listed(registry) == {"": [("a", False, False), ("", True, False), ("b", False, True)]}


def test_a_page_at_the_root_is_listed_once() -> None:
    registry = PageRegistry()
    registry.add("/a", page, hidden=True)
    registry.add("/", page)

    assert listed(registry) == {"": [("a", False, True), ("", True, False)]}


def test_sections_follow_the_order_of_their_first_page_after_those_without() -> None:
    registry = PageRegistry()
    registry.add("/a", page, section="Two", order=2)
    registry.add("/b", page, section="One", order=1)
    registry.add("/", page)
    registry.add("/c", page, section="Two")

    assert {name: [url for url, *_ in entries] for name, entries in listed(registry).items()} == {
        "": [""],
        "One": ["b"],
        "Two": ["a", "c"],
    }
    assert list(listed(registry)) == ["", "One", "Two"]


def connect() -> Iterator[int]:
    yield 1


def report(
    st: Any,
    year: Annotated[int, Query(description="Which year"), Field(ge=2000)],
    tags: Annotated[list[str], Query(alias="tag")] = [],  # noqa: B006 - never changed
    database: Any = Depends(connect),
) -> None:
    """What the year brought."""


def test_the_manifest_says_all_that_is_known_about_a_page() -> None:
    registry = PageRegistry()
    registry.add("/report", report, icon="📈", layout="wide", section="Figures", order=1, tags=["money"])
    registry.add("/legacy", script=Path(__file__).name, hidden=True)

    first, second = manifest(registry, title="App", root=Path(__file__).parent)["pages"]
    assert first == {
        "path": "/report",
        "title": "Report",
        "description": "What the year brought.",
        "source": f"{__name__}:report",
        "landing": True,
        "hidden": False,
        "section": "Figures",
        "order": 1,
        "icon": "📈",
        "layout": "wide",
        "initial_sidebar_state": None,
        "tags": ["money"],
        "public": False,
        "roles": [],
        "inputs": [
            {
                "in": "query",
                "name": "tag",
                "required": False,
                "description": "",
                "schema": {"items": {"type": "string"}, "type": "array"},
            },
            {
                "in": "query",
                "name": "year",
                "required": True,
                "description": "Which year",
                "schema": {"minimum": 2000, "type": "integer"},
            },
        ],
        "dependencies": [f"{__name__}:connect"],
    }
    assert (second["source"], second["hidden"]) == (Path(__file__).name, True)


PROGRAM = """
    import sys
    from typing import Annotated, Any
    from fluxlit import Depends, FluxLit, Query
    from fluxlit.pages import manifest_json

    app = FluxLit(title="Same")

    class Source:
        def __call__(self, names: Annotated[set[str] | None, Query()] = None) -> None: ...

    @app.page("/")
    def home(st, source: Any = Depends(Source()), other: Any = Depends(lambda: 1)): ...

    sys.stdout.write(manifest_json(app.pages, title="Same"))
    assert "streamlit" not in sys.modules
"""


def test_the_manifest_is_the_same_in_every_process_and_needs_no_streamlit(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(dedent(PROGRAM))
    command = [sys.executable, "program.py"]
    outputs = {subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout for _ in range(2)}

    (output,) = outputs
    assert json.loads(output)["title"] == "Same"
    assert b"0x" not in output


def test_an_empty_manifest_is_indented_text() -> None:
    assert manifest_json(PageRegistry()) == '{\n  "manifest_version": 1,\n  "title": "",\n  "pages": []\n}\n'


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of page modules that can be imported under a name of its own."""
    folder = tmp_path / f"pages_{tmp_path.name.replace('-', '_')}"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == folder.name]:
        del sys.modules[name]


REGISTERS = """
    def register(app):
        @app.page("/{name}")
        def {name}(st): ...
"""


def test_modules_register_their_pages_in_the_order_of_their_names(package: Path) -> None:
    for name in ("zebra", "ant", "_private"):
        (package / f"{name}.py").write_text(dedent(REGISTERS.format(name=name)))
    app = FluxLit()

    found = discover_pages(app, package.name)

    assert [record.path for record in found] == ["/ant", "/zebra"]
    assert [record.path for record in app.pages] == ["/ant", "/zebra"]


def test_a_broken_module_leaves_no_page_behind(package: Path) -> None:
    (package / "ant.py").write_text(dedent(REGISTERS.format(name="ant")))
    (package / "bee.py").write_text(dedent(REGISTERS.format(name="ant")))
    app = FluxLit()
    app.page("/before")(page)

    with pytest.raises(PageError, match=r"bee\.py:\d+: page path '/ant' is already registered"):
        discover_pages(app, package.name)
    assert [record.path for record in app.pages] == ["/before"]


def test_a_package_that_is_not_there_is_told() -> None:
    with pytest.raises(TargetError, match=r"no package 'nowhere\.pages'"):
        discover_pages(FluxLit(), "nowhere.pages")


def test_a_module_that_a_package_fails_to_import_is_the_users_to_see(package: Path) -> None:
    (package / "ant.py").write_text("import not_installed_anywhere\n")
    with pytest.raises(ModuleNotFoundError, match="not_installed_anywhere"):
        discover_pages(FluxLit(), package.name)


def test_a_single_module_is_no_package() -> None:
    with pytest.raises(PageError, match=r"'json\.decoder' is a module, not a package"):
        discover_pages(FluxLit(), "json.decoder")
