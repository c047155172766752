"""For a target that cannot be loaded: what is wrong, where, what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxlit import FluxLit, TargetError
from fluxlit.settings import resolve_target
from fluxlit.settings.target import Target, load, locate


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("text", "module", "attribute"),
    [("a.b:c.d", "a.b", "c.d"), ("portal", "portal", "app"), ("portal:", "portal", "app")],
)
def test_parts(text: str, module: str, attribute: str) -> None:
    target = Target.parse(text)
    assert (target.module, target.attribute) == (module, attribute)


@pytest.mark.parametrize("text", ["1a:app", "a-b:app", "a:b:c", "a b", ":app"])
def test_what_is_no_target_is_refused_with_the_right_form(text: str) -> None:
    with pytest.raises(TargetError, match="module:attribute"):
        Target.parse(text)


def test_a_file_may_be_named_instead_of_a_module(project: Path) -> None:
    (project / "portal_a.py").write_text("from fluxlit import FluxLit\nsite = FluxLit()\n")
    assert isinstance(load("./portal_a.py:site"), FluxLit)


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        (None, "absent_b:app", ["no module 'absent_b'"]),
        ("from fluxlit import FluxLit\nportal = FluxLit()\n", "mod_c:app", ["no attribute 'app'", "mod_c:portal"]),
        ("app = 3\n", "mod_d:app", ["is an int", "FluxLit(...)"]),
        ("import nowhere_at_all\n", "mod_e:app", ["ModuleNotFoundError", "nowhere_at_all", "mod_e.py:1"]),
        ("x = 1\ny = 1 / 0\n", "mod_f:app", ["ZeroDivisionError", "mod_f.py:2)\n    y = 1 / 0"]),
        ("def f(:\n", "mod_g:app", ["SyntaxError", "mod_g.py:1)\n    def f(:"]),
    ],
)
def test_messages(project: Path, source: str | None, target: str, words: list[str]) -> None:
    if source is not None:
        (project / f"{target.partition(':')[0]}.py").write_text(source)
    with pytest.raises(TargetError) as caught:
        load(target)
    for word in words:
        assert word in str(caught.value)


def test_an_object_is_located_by_identity(project: Path) -> None:
    (project / "mod_h.py").write_text("from fluxlit import FluxLit\nfirst = FluxLit()\nsecond = FluxLit()\n")
    second = load("mod_h:second")
    assert str(locate(second)) == "mod_h:second"
    assert locate(FluxLit()) is None


@pytest.mark.parametrize("place", ["fluxlit.toml", ".env"])
@pytest.mark.parametrize(
    ("target", "module"), [("mod_i:app", "mod_i"), ("src/mod_j.py:app", "mod_j"), ("mod_k", "mod_k")]
)
def test_a_target_of_a_file_above_is_relative_to_that_file(
    place: str, target: str, module: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/reference/settings.md.

    The file is sought from the working directory upwards.
    """
    (project / "fluxlit.toml").write_text(f'target = "{target}"\n' if place == "fluxlit.toml" else "")
    (project / ".env").write_text(f"FLUXLIT_APP={target}\n" if place == ".env" else "")
    for folder in (project / "sub", project / "src"):
        folder.mkdir()
    code = project / "src" if "src" in target else project
    (code / f"{module}.py").write_text("from fluxlit import FluxLit\napp = FluxLit()\n")
    monkeypatch.chdir(project / "sub")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, module, raising=False)
    found = resolve_target(environ={})
    application = load(found.target or "", found.directory)
    assert str(locate(application)) == f"{module}:app"
    assert str(code) in sys.path, "where a worker, which gets this path, finds it too"
