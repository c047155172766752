"""Where the project file is looked for, and what it is taken for."""

from pathlib import Path

import pytest

from fluxlit.errors import SettingsError
from fluxlit.settings import resolve, resolve_target
from fluxlit.settings.toml_lines import line_of


def test_it_is_found_upwards_and_named_as_seen_from_below(tmp_path: Path) -> None:
    (tmp_path / "fluxlit.toml").write_text("\ngateway_port = 1\n")
    (tmp_path / ".env").write_text("FLUXLIT_TITLE=Above\n")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    found = resolve(environ={}, directory=below)
    assert found.sources["gateway_port"].where == "../../fluxlit.toml:2"
    assert found.sources["title"].where == "../../.env:1"
    assert found.project_root == tmp_path
    assert found.project_file == tmp_path / "fluxlit.toml"


def test_the_nearest_one_wins(tmp_path: Path) -> None:
    (tmp_path / "fluxlit.toml").write_text("gateway_port = 1\n")
    below = tmp_path / "a"
    below.mkdir()
    (below / "pyproject.toml").write_text("[tool.fluxlit]\ngateway_port = 2\n")
    assert resolve(environ={}, directory=below).settings.gateway_port == 2
    (below / "fluxlit.toml").write_text("gateway_port = 3\n")
    assert resolve(environ={}, directory=below).settings.gateway_port == 3


def test_a_pyproject_without_our_table_is_passed_by(tmp_path: Path) -> None:
    (tmp_path / "fluxlit.toml").write_text("gateway_port = 1\n")
    below = tmp_path / "a"
    below.mkdir()
    (below / "pyproject.toml").write_text('[project]\nname = "fluxlit-demo"\ndependencies = ["fluxlit-cli"]\n')
    assert resolve(environ={}, directory=below).settings.gateway_port == 1


def test_a_broken_pyproject_matters_only_if_it_is_ours(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.other]\nx = = 1\n")
    assert resolve(environ={}, directory=tmp_path).project_file is None
    (tmp_path / "pyproject.toml").write_text("[tool.fluxlit]\nx = = 1\n")
    with pytest.raises(SettingsError, match=r"pyproject\.toml:2: this is not valid TOML"):
        resolve(environ={}, directory=tmp_path)


def test_our_table_must_be_a_table(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool]\nfluxlit = 5\n")
    with pytest.raises(SettingsError, match=r"\[tool\.fluxlit\] must be a table of settings"):
        resolve(environ={}, directory=tmp_path)


def test_without_a_project_file_the_directory_is_the_root(tmp_path: Path) -> None:
    assert resolve(environ={}, directory=tmp_path).project_root == tmp_path


@pytest.mark.parametrize(
    ("text", "key", "table", "line"),
    [
        ('x = """\nkey = 1\n"""\nkey = 2\n', "key", (), 4),
        ("x = [\n1,\n]\nkey = 2\n", "key", (), 4),
        ("[other]\nkey = 1\n[tool.fluxlit]\nkey = 2\n", "key", ("tool", "fluxlit"), 4),
        ('"key" = 1\n', "key", (), 1),
        ("  key.a.b = 1\n", "key", (), 1),
        ("a = 1\n[ key ]\nx = 1\n", "key", (), 2),
        ("a = 1\n[key.inner]\nx = 1\n", "key", (), 2),
        ("[[tool.fluxlit.key]]\nx = 1\n", "key", ("tool", "fluxlit"), 1),
        ("[tool]\nfluxlit.key = 1\n", "key", ("tool", "fluxlit"), None),
        ("tool.fluxlit.key = 1\n", "key", ("tool", "fluxlit"), 1),
        ("tool = {fluxlit = {key = 1}}\n", "key", ("tool", "fluxlit"), None),
        ("monkey = 1\nkeys = 2\nkey = 3\n", "key", (), 3),
    ],
)
def test_the_line_of_a_key(text: str, key: str, table: tuple[str, ...], line: int | None) -> None:
    assert line_of(text, key, table) == line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FLUXLIT_SERVICE_HOST", "10.0.0.1"),
        ("FLUXLIT_SERVICE_PORT", "8000"),
        ("FLUXLIT_SERVICE_PORT_HTTP", "8000"),
        ("FLUXLIT_PORT", "tcp://10.0.0.1:8000"),
        ("FLUXLIT_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("FLUXLIT_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("FLUXLIT_GATEWAY_SERVICE_HOST", "10.0.0.1"),
        ("FLUXLIT_GATEWAY_PORT", "tcp://10.0.0.1:8000"),
    ],
)
def test_what_kubernetes_says_about_a_service_called_fluxlit_is_no_setting(
    name: str, value: str, tmp_path: Path
) -> None:
    assert resolve(environ={name: value}, directory=tmp_path).settings.gateway_port == 8000


def test_the_target_is_found_before_anything_else_is_judged(tmp_path: Path) -> None:
    (tmp_path / "fluxlit.toml").write_text('target = "a:a"\ngateway_port = "wrong"\n')
    found = resolve_target(environ={}, directory=tmp_path)
    assert (found.target, found.source.where) == ("a:a", "fluxlit.toml:1")
    found = resolve_target(environ={"FLUXLIT_APP": "b:b"}, directory=tmp_path)
    assert (found.target, found.source.where) == ("b:b", "FLUXLIT_APP")
    found = resolve_target(flags={"target": "c:c"}, environ={"FLUXLIT_APP": "b:b"}, directory=tmp_path)
    assert (found.target, found.source.where) == ("c:c", "TARGET")
    assert found.project_root == tmp_path


def test_without_a_target_there_is_none(tmp_path: Path) -> None:
    assert resolve_target(environ={}, directory=tmp_path).target is None


def test_a_target_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "fluxlit.toml").write_text("target = 5\n")
    with pytest.raises(SettingsError, match=r"fluxlit\.toml:1: target must be a string, not 5"):
        resolve_target(environ={}, directory=tmp_path)
