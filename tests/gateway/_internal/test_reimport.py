"""Which modules a reload imports anew."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import fluxlit
from fluxlit._internal.lazy import lazy_import
from fluxlit._internal.reimport import Project
from fluxlit.settings.target import locate


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with its folder on the import path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("reloaded_"):
            del sys.modules[name]


def test_fluxlit_itself_is_never_the_projects_even_when_the_checkout_lies_inside() -> None:
    around_the_checkout = Path(fluxlit.__file__).parent.parent.parent

    assert [name for name in Project(around_the_checkout).loaded() if name.partition(".")[0] == "fluxlit"] == []
    assert "fluxlit._internal.reimport" not in Project(Path("/")).loaded()


def test_the_projects_modules_are_and_what_is_installed_in_it_is_not(root: Path) -> None:
    (root / "reloaded_own.py").write_text("")
    installed = root / "env" / "lib" / "site-packages"
    installed.mkdir(parents=True)
    (installed / "reloaded_installed.py").write_text("")
    sys.path.insert(0, str(installed))
    try:
        importlib.import_module("reloaded_own")
        importlib.import_module("reloaded_installed")
    finally:
        sys.path.remove(str(installed))

    assert [name for name in Project(root).loaded() if name.startswith("reloaded_")] == ["reloaded_own"]


def test_a_reload_that_fails_puts_the_old_modules_back(root: Path) -> None:
    source = root / "reloaded_value.py"
    source.write_text("VALUE = 1\n")
    old = importlib.import_module("reloaded_value")
    source.write_text("VALUE = 'another one'\n")

    with pytest.raises(ZeroDivisionError), Project(root).reimported():  # noqa: PT012  # a story in two steps
        assert importlib.import_module("reloaded_value").VALUE == "another one"
        raise ZeroDivisionError
    assert sys.modules["reloaded_value"] is old

    with Project(root).reimported():
        assert importlib.import_module("reloaded_value").VALUE == "another one"
    assert sys.modules["reloaded_value"] is not old


def test_a_change_within_the_second_that_keeps_the_size_is_not_lost(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    source = root / "reloaded_quick.py"
    source.write_text("VALUE = 4\n")
    saved = source.stat().st_mtime
    assert importlib.import_module("reloaded_quick").VALUE == 4

    source.write_text("VALUE = 5\n")
    os.utime(source, (saved, saved))

    with Project(root).reimported():
        assert importlib.import_module("reloaded_quick").VALUE == 5


def test_a_lazy_module_that_cannot_be_loaded_is_in_nobodys_way(root: Path) -> None:
    """It raises when an attribute is read, so it is not looked at like others."""
    (root / "reloaded_lazy.py").write_text("import not_installed_here\n")
    (root / "reloaded_site.py").write_text("from fluxlit import FluxLit\napp = FluxLit()\n")
    lazy = lazy_import("reloaded_lazy")
    project = Project(root)

    assert str(locate(importlib.import_module("reloaded_site").app)) == "reloaded_site:app"
    assert project.holds_loaded(frozenset({root / "reloaded_lazy.py"}))
    with project.reimported():
        assert "reloaded_lazy" not in sys.modules
    with pytest.raises(ModuleNotFoundError, match="not_installed_here"):
        lazy.anything  # noqa: B018


class Pretender:
    """As those of cffi: it has the class of a module, and no dictionary."""

    __slots__ = ()
    __class__ = property(lambda _: ModuleType)


def test_what_pretends_to_be_a_module_is_in_nobodys_way(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretender: Any = Pretender()
    assert isinstance(pretender, ModuleType)
    monkeypatch.setitem(sys.modules, "reloaded_pretender", pretender)

    assert "reloaded_pretender" not in Project(root).loaded()
    assert locate(object()) is None
