"""Every setting at every layer.

The value that comes out, and the source that is named.
"""

import typing
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from fluxlit.settings import Layer, Resolved, Settings, SettingsArguments, Source, resolve
from fluxlit.settings.describe import env_name, flag_name, kind
from tests.gateway.settings.samples import SAMPLES, Sample


def needed(setting: str) -> dict[str, object]:
    """What has to be set beside a setting that means nothing alone."""
    return {"streamlit_upstream": "https://ui.example"} if setting.startswith("streamlit_upstream_") else {}


def from_flag(setting: str, sample: Sample, directory: Path) -> Resolved:
    return resolve(flags={setting: sample.text}, arguments=needed(setting), environ={}, directory=directory)


def from_environment(setting: str, sample: Sample, directory: Path) -> Resolved:
    return resolve(environ={env_name(setting): sample.text}, arguments=needed(setting), directory=directory)


def from_dotenv(setting: str, sample: Sample, directory: Path) -> Resolved:
    (directory / ".env").write_text(f"# a comment\n\nOTHER=1\n{env_name(setting)}='{sample.text}'\n")
    return resolve(environ={}, arguments=needed(setting), directory=directory)


def from_own_file(setting: str, sample: Sample, directory: Path) -> Resolved:
    (directory / "fluxlit.toml").write_text(f"# a comment\n\n{setting} = {sample.toml}\n")
    return resolve(environ={}, arguments=needed(setting), directory=directory)


def from_pyproject(setting: str, sample: Sample, directory: Path) -> Resolved:
    (directory / "pyproject.toml").write_text(f'[project]\nname = "x"\n[tool.fluxlit]\n{setting} = {sample.toml}\n')
    return resolve(environ={}, arguments=needed(setting), directory=directory)


def from_code(setting: str, sample: Sample, directory: Path) -> Resolved:
    return resolve(arguments={**needed(setting), setting: sample.value}, environ={}, directory=directory)


Read = Callable[[str, Sample, Path], Resolved]

LAYERS: dict[str, tuple[Read, Layer, Callable[[str], str]]] = {
    "flag": (from_flag, Layer.FLAG, flag_name),
    "environment": (from_environment, Layer.ENVIRONMENT, env_name),
    "dotenv": (from_dotenv, Layer.DOTENV, lambda _: ".env:4"),
    "own-file": (from_own_file, Layer.FILE, lambda _: "fluxlit.toml:3"),
    "pyproject": (from_pyproject, Layer.FILE, lambda _: "pyproject.toml:4"),
    "code": (from_code, Layer.CODE, lambda _: "FluxLit(...)"),
}


def test_there_is_a_sample_for_every_setting() -> None:
    assert set(SAMPLES) == set(Settings.model_fields)
    assert [name for name, sample in SAMPLES.items() if sample.value == Settings.model_fields[name].default] == []


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("setting", SAMPLES)
def test_each_setting_can_come_from_each_layer(setting: str, layer: str, tmp_path: Path) -> None:
    read, expected_layer, where = LAYERS[layer]
    resolved = read(setting, SAMPLES[setting], tmp_path)
    assert getattr(resolved.settings, setting) == SAMPLES[setting].value
    assert isinstance(getattr(resolved.settings, setting), type(SAMPLES[setting].value))
    assert resolved.sources[setting] == Source(expected_layer, where(setting))
    given = {setting, "streamlit_mode", *needed(setting)}
    others = {name: source for name, source in resolved.sources.items() if name not in given}
    assert set(others.values()) == {Source(Layer.DEFAULT, "default")}


def test_a_stronger_layer_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FLUXLIT_GATEWAY_PORT=3\n")
    (tmp_path / "fluxlit.toml").write_text("gateway_port = 4\n")
    flags: dict[str, object] = {"gateway_port": "1"}
    environ = {"FLUXLIT_GATEWAY_PORT": "2"}
    arguments: dict[str, object] = {"gateway_port": 5}

    def port() -> tuple[int, str]:
        found = resolve(flags=flags, environ=environ, arguments=arguments, directory=tmp_path)
        return found.settings.gateway_port, found.sources["gateway_port"].where

    assert port() == (1, "--port")
    flags.clear()
    assert port() == (2, "FLUXLIT_GATEWAY_PORT")
    environ.clear()
    assert port() == (3, ".env:1")
    (tmp_path / ".env").unlink()
    assert port() == (4, "fluxlit.toml:1")
    (tmp_path / "fluxlit.toml").unlink()
    assert port() == (5, "FluxLit(...)")
    arguments.clear()
    assert port() == (8000, "default")


def test_a_flag_may_carry_a_typed_value_and_none_means_not_given(tmp_path: Path) -> None:
    found = resolve(flags={"trust_proxy": False, "gateway_port": None, "root_path": ""}, environ={}, directory=tmp_path)
    assert found.sources["trust_proxy"].layer is Layer.FLAG
    assert found.sources["gateway_port"].layer is Layer.DEFAULT
    assert found.sources["root_path"].layer is Layer.FLAG


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FLUXLIT_ROOT_PATH=\nFLUXLIT_TITLE\n")
    (tmp_path / "fluxlit.toml").write_text('root_path = "/a"\n')
    found = resolve(environ={"FLUXLIT_ROOT_PATH": "", "FLUXLIT_GATEWAY_PORT": ""}, directory=tmp_path)
    assert (found.settings.root_path, found.sources["root_path"].where) == ("/a", "fluxlit.toml:1")
    assert found.settings.gateway_port == 8000


EMPTY = ("frame_options", "referrer_policy", "gateway_via")


@pytest.mark.parametrize("setting", EMPTY)
@pytest.mark.parametrize("place", ["environment", "dotenv"])
def test_an_empty_variable_is_a_value_where_the_documentation_gives_it_a_meaning(
    setting: str, place: str, tmp_path: Path
) -> None:
    name = f"FLUXLIT_{setting.upper()}"
    environ = {name: ""} if place == "environment" else {}
    (tmp_path / ".env").write_text("" if environ else f"{name}=\n")
    assert getattr(resolve(environ=environ, directory=tmp_path).settings, setting) == ""
    assert getattr(resolve(environ={}, directory=tmp_path / "elsewhere").settings, setting) != ""


def test_no_other_setting_has_a_documented_meaning_of_empty() -> None:
    """A setting that may be an empty string has to explain what that means.

    It has a string as its default.
    """
    fields = Settings.model_fields.items()
    assert tuple(name for name, field in fields if field.default and _accepts_nothing(name)) == EMPTY


def _accepts_nothing(setting: str) -> bool:
    try:
        Settings.model_validate({setting: ""})
    except ValidationError:
        return False
    return kind(setting) in ("str", "choice")


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("https://example.com:443", "https://example.com"),
        ("http://Example.COM:80", "http://example.com"),
        ("https://example.com:80", "https://example.com:80"),
        ("https://b\u00fccher.example", "https://xn--bcher-kva.example"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("HTTPS://a.example", "https://a.example"),
    ],
)
@pytest.mark.parametrize("setting", ["allowed_origins", "cors_allow_origins", "public_base_url"])
def test_origins_are_written_as_browsers_send_them(setting: str, written: str, sent: str, tmp_path: Path) -> None:
    found = resolve(environ={f"FLUXLIT_{setting.upper()}": written}, directory=tmp_path).settings
    assert getattr(found, setting) == (sent if setting == "public_base_url" else (sent,))


@pytest.mark.parametrize("text", ["10.0.0.1,::1", '["10.0.0.1", "::1"]', " 10.0.0.1 , ::1, "])
def test_a_list_in_a_variable_may_be_written_with_commas_or_as_json(text: str, tmp_path: Path) -> None:
    found = resolve(environ={"FLUXLIT_FORWARDED_ALLOW_IPS": text}, directory=tmp_path)
    assert found.settings.forwarded_allow_ips == ("10.0.0.1", "::1")


@pytest.mark.parametrize(("text", "value"), [("1", True), ("TRUE", True), ("on", True), ("0", False), ("No", False)])
def test_a_truth_value_has_the_usual_words(text: str, value: bool, tmp_path: Path) -> None:
    assert resolve(environ={"FLUXLIT_TRUST_PROXY": text}, directory=tmp_path).settings.trust_proxy is value


def test_everybody_is_trusted_only_when_that_is_written(tmp_path: Path) -> None:
    assert resolve(flags={"trust_proxy": True}, environ={}, directory=tmp_path).settings.forwarded_allow_ips == (
        "127.0.0.1",
        "::1",
    )
    written = resolve(environ={"FLUXLIT_FORWARDED_ALLOW_IPS": "*"}, directory=tmp_path)
    assert written.settings.forwarded_allow_ips == ("*",)


def test_an_upstream_selects_the_external_mode(tmp_path: Path) -> None:
    found = resolve(environ={"FLUXLIT_STREAMLIT_UPSTREAM": "unix:/run/ui.sock"}, directory=tmp_path)
    assert found.settings.streamlit_mode == "external"
    assert found.sources["streamlit_mode"].where == "FLUXLIT_STREAMLIT_UPSTREAM"


def test_tables_of_streamlit_options_get_dotted_keys(tmp_path: Path) -> None:
    (tmp_path / "fluxlit.toml").write_text(
        "[streamlit_options.server]\nmaxUploadSize = 1\n"
        'trustedUserHeaders = {X-User = "name"}\n[streamlit_options.theme.sidebar]\nbase = "dark"\n'
    )
    found = resolve(environ={}, directory=tmp_path)
    assert found.settings.streamlit_options == {
        "server.maxUploadSize": 1,
        "server.trustedUserHeaders": {"X-User": "name"},
        "theme.sidebar.base": "dark",
    }
    assert found.sources["streamlit_options"].where == "fluxlit.toml:1"


def test_constructing_settings_reads_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUXLIT_GATEWAY_PORT", "1")
    assert Settings().gateway_port == 8000


def test_settings_survive_a_round_trip_through_json() -> None:
    settings = Settings(**{name: sample.value for name, sample in SAMPLES.items()})
    assert Settings.model_validate_json(settings.model_dump_json()) == settings
    assert Settings.model_validate(settings.model_dump(mode="json")) == settings


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().gateway_port = 1


def test_the_arguments_of_fluxlit_are_the_settings() -> None:
    hints = typing.get_type_hints(SettingsArguments)
    assert set(hints) == set(Settings.model_fields) - {"title", "target"}


def test_every_setting_is_documented_and_every_name_is_used_once() -> None:
    assert [name for name, field in Settings.model_fields.items() if not (field.description or "").endswith(".")] == []
    assert len({env_name(name) for name in SAMPLES}) == len({flag_name(name) for name in SAMPLES}) == len(SAMPLES)
