"""The order of the navigation, said at once, and pages found in a package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fluxlit import FluxLit, PageError


def application() -> FluxLit:
    app = FluxLit()
    for path in ("/", "/sales", "/stock", "/team"):
        app.page(path)(lambda: None)
    return app


def test_named_pages_come_first_and_the_others_keep_their_order() -> None:
    app = application().navigation("/team", "/stock")
    assert [record.path for record in app.pages] == ["/team", "/stock", "/", "/sales"]


def test_the_landing_page_stays_where_it_was() -> None:
    landing = application().navigation("/team").pages.landing
    assert landing is not None
    assert landing.path == "/"


@pytest.mark.parametrize(
    ("paths", "words"), [(("/gone",), "'/gone' is no page; there are '/', '/sales'"), (("/team", "/team"), "twice")]
)
def test_what_cannot_be_arranged_is_said(paths: tuple[str, ...], words: str) -> None:
    with pytest.raises(PageError, match=words):
        application().navigation(*paths)


def test_pages_of_a_package_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "screens_of_ours").mkdir()
    (tmp_path / "screens_of_ours" / "__init__.py").touch()
    (tmp_path / "screens_of_ours" / "sales.py").write_text("def register(app):\n    app.page('/sales')(lambda: None)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    app = FluxLit().discover_pages("screens_of_ours")
    assert [record.path for record in app.pages] == ["/sales"]
    for name in [name for name in sys.modules if name.startswith("screens_of_ours")]:
        del sys.modules[name]
