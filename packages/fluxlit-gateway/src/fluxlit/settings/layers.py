"""Reading the layers without validation, strongest layer first."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fluxlit.errors import Problem
from fluxlit.settings.describe import SETTINGS, env_name, flag_name, kind, nearest_setting
from fluxlit.settings.project_file import find_project_file, located
from fluxlit.settings.provenance import Layer, Source
from fluxlit.settings.variables import DotenvFile, read_dotenv, read_variables, unknown_variables

_IN_CODE = "FluxLit(...)"
# Settings that there were, and what holds without them.
REMOVED = {
    "gateway_listen_backlog": "it is always 2048, and the system has its own limit (net.core.somaxconn)",
    "gateway_max_request_fields": "it is always 256",
    "gateway_max_request_target_bytes": "it is always a quarter of gateway_max_request_head_bytes",
    "gateway_request_body_min_rate": "it is always 100 bytes a second",
    "gateway_request_body_timeout_s": "it is always 60 s",
    "gateway_request_head_timeout_s": "it is always 30 s",
    "gateway_send_timeout_s": "it is always 60 s",
    "gateway_upstream_idle_timeout_s": "it is always 4 s",
    "gateway_upstream_queue_timeout_s": "it is always 5 s; set gateway_max_concurrent_upstream_http",
    "gateway_ws_max_backlog_bytes": "it is always 64 MiB",
}
_TABLES = frozenset({"fluxlit", "tool"})  # of pyproject.toml
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(frozen=True)
class Given:
    """A value in a layer.

    Attributes:
        setting: name of the setting, which may be unknown.
        value: the value as written.
        source: its source.
    """

    setting: str
    value: object
    source: Source

    def decoded(self) -> object:
        """Return the value, parsed if the layer holds only strings."""
        is_string = self.source.layer in {Layer.FLAG, Layer.ENVIRONMENT, Layer.DOTENV}
        return decode(self.setting, self.value) if is_string and isinstance(self.value, str) else self.value


@dataclass(frozen=True)
class Layers:
    """The content of all layers.

    Attributes:
        given: every value of a known setting, strongest layer first.
        unreadable: layers that could not be read.
        unknown: names that belong to no setting.
        root: directory of the project file, else the directory where the search started.
        file: the project file.
    """

    given: tuple[Given, ...]
    unreadable: tuple[Problem, ...]
    unknown: tuple[Problem, ...]
    root: Path
    file: Path | None


def read_layers(
    flags: Mapping[str, object],
    arguments: Mapping[str, object],
    environ: Mapping[str, str],
    directory: Path,
    *,
    dotenv: bool = True,
) -> Layers:
    """Read every layer; errors are part of the result."""
    file = find_project_file(directory)
    root = file.path.parent if file.path else directory
    dotenv_path = root / ".env"
    beside = read_dotenv(dotenv_path, directory) if dotenv else DotenvFile()
    given = (
        *_given(flags, Layer.FLAG, flag_name),
        *_from_variables(environ, Layer.ENVIRONMENT, str),
        *_from_variables(beside.values, Layer.DOTENV, lambda name: located(dotenv_path, directory, beside.lines[name])),
        *_given(file.values, Layer.FILE, lambda key: file.where(key, directory)),
        *_given(arguments, Layer.CODE, lambda _: _IN_CODE),
    )
    return Layers(
        tuple(item for item in given if item.setting in SETTINGS),
        (*file.problems, *beside.problems),
        (*_unknown_keys(given), *_unknown_variables(environ, beside, dotenv_path, directory)),
        root,
        file.path,
    )


def removed(name: str) -> str:
    """Return the advice for a removed setting, variable or option."""
    setting = name.lower().removeprefix("fluxlit_").removeprefix("--").replace("-", "_")
    return f"{name} is not a setting any more: {REMOVED[setting]}; remove it" if setting in REMOVED else ""


def decode(setting: str, text: str) -> object:
    """Parse a value; an invalid string is returned for validation."""
    try:
        match kind(setting):
            case "bool":
                return _WORDS.get(text.strip().lower(), text)
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "table":
                return json.loads(text)
            case "list" if text.lstrip().startswith("["):
                return json.loads(text)
    except ValueError:
        pass
    return text


def _given(values: Mapping[str, object], layer: Layer, where: Callable[[str], str]) -> Iterator[Given]:
    for setting, value in values.items():
        if value is not None:
            place = where(setting) if setting in SETTINGS or layer is not Layer.FLAG else setting
            yield Given(setting, value, Source(layer, place))


def _from_variables(variables: Mapping[str, str | None], layer: Layer, where: Callable[[str], str]) -> Iterator[Given]:
    for setting, name, value in read_variables(variables):
        yield Given(setting, value, Source(layer, where(name)))


def _unknown_keys(given: Iterable[Given]) -> Iterator[Problem]:
    for item in given:
        if item.setting not in SETTINGS:
            yield _unknown(item.setting, item.source, "setting")


def _unknown_variables(
    environ: Mapping[str, str], dotenv: DotenvFile, dotenv_path: Path, directory: Path
) -> Iterator[Problem]:
    for name in unknown_variables(environ):
        yield _unknown(name, Source(Layer.ENVIRONMENT, name), "variable")
    for name in unknown_variables(dotenv.values):
        source = Source(Layer.DOTENV, located(dotenv_path, directory, dotenv.lines[name]))
        yield _unknown(name, source, "variable")


def _unknown(name: str, source: Source, noun: str) -> Problem:
    if advice := removed(name):
        return source.problem(name, advice)
    if source.layer is Layer.FILE and name in _TABLES:
        return source.problem(name, f"[{name}] is for pyproject.toml; here settings stand at the top, without a table")
    similar = nearest_setting(name.lower().removeprefix("fluxlit_"))
    if similar and noun == "variable":
        similar = env_name(similar)
    advice = f"did you mean {similar}?" if similar else "docs/reference/settings.md lists all settings"
    return source.problem(name, f"unknown {noun} {name}; {advice}")
