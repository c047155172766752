"""Environment variables and the `.env` file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from fluxlit.errors import FluxLitError, Problem
from fluxlit.settings.describe import SETTINGS, env_name, facts
from fluxlit.settings.model import Settings
from fluxlit.settings.project_file import located

_PREFIX = "FLUXLIT_"

_EMPTY = frozenset(env_name(setting).lower() for setting in SETTINGS if facts(setting).get("empty"))

# What FluxLit's own supervisor and test tools hand to the processes that they start.
_INTERNAL = frozenset({"FLUXLIT_LIFELINE_FD", "FLUXLIT_TESTING_SERVER"})

# Kubernetes describes every Service of the namespace to every container (service links). A Service called
# "fluxlit" or "fluxlit-gateway" yields these names, and even FLUXLIT_GATEWAY_PORT=tcp://10.0.0.1:8000.
_SERVICE_LINK_NAME = re.compile(r"FLUXLIT_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
_SERVICE_LINK_VALUE = re.compile(r"(tcp|udp|sctp)://[\w.:\[\]-]+:\d+")


class _Variables(EnvSettingsSource):
    """Variables of a mapping; names are case-insensitive."""

    def __init__(self, variables: Mapping[str, str | None]) -> None:
        self._variables = variables
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._variables.items() if value or _means_empty(name, value)}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[str | None, str, bool]:
        return self.env_vars.get(env_name(field_name).lower()), field_name, False


@dataclass(frozen=True)
class DotenvFile:
    """A `.env` file: values, the line of each name, and problems."""

    values: Mapping[str, str | None] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def _means_empty(name: str, value: str | None) -> bool:
    """Whether an empty variable is a value; else it counts as not set."""
    return value == "" and name.lower() in _EMPTY


def read_variables(variables: Mapping[str, str | None]) -> Iterator[tuple[str, str, str]]:
    """Yield setting, name and value of each variable that is set."""
    ours = {name: value for name, value in variables.items() if not is_service_link(name, value)}
    spelling = {name.lower(): name for name in ours}
    source = _Variables(ours)
    for setting in SETTINGS:
        value, _, _ = source.get_field_value(Settings.model_fields[setting], setting)
        if value is not None:
            yield setting, spelling[env_name(setting).lower()], value


def unknown_variables(variables: Mapping[str, str | None]) -> list[str]:
    """Return the variables with our prefix that belong to no setting."""
    known = {env_name(setting).lower() for setting in SETTINGS} | {name.lower() for name in _INTERNAL}
    return [
        name
        for name, value in variables.items()
        if name.upper().startswith(_PREFIX) and name.lower() not in known and value and not is_service_link(name, value)
    ]


def is_service_link(name: str, value: str | None) -> bool:
    """Whether Kubernetes set a variable for a Service named "fluxlit"."""
    if _SERVICE_LINK_NAME.fullmatch(name):
        return True
    return name.startswith(_PREFIX) and name.endswith("_PORT") and bool(_SERVICE_LINK_VALUE.fullmatch(value or ""))


def read_dotenv(path: Path, directory: Path) -> DotenvFile:
    """Read a `.env` file; a missing file is empty.

    Args:
        path: the file.
        directory: the directory to which paths in messages are relative.
    """
    try:
        raw = path.read_bytes() if path.is_file() else b""
    except OSError as error:
        message = f"the file cannot be read: {error.strerror or error}"
        return DotenvFile(problems=(Problem(path.name, message, located(path, directory)),))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        message = "the file is not UTF-8 text; save it as UTF-8"
        return DotenvFile(problems=(Problem(path.name, message, located(path, directory, line)),))
    return _parse_dotenv(text, path, directory)


def _parse_dotenv(text: str, path: Path, directory: Path) -> DotenvFile:
    lines: dict[str, int] = {}
    problems: list[Problem] = []
    for binding in parse_stream(StringIO(text)):
        # A binding starts at the blank lines before it; its name stands on the first line with text.
        line = binding.original.line + _blank_lines(binding.original.string)
        if binding.error:
            problems.append(
                Problem(path.name, "this line is not of the form NAME=value", located(path, directory, line))
            )
        elif binding.key is not None:
            lines[binding.key] = line
    if problems:
        return DotenvFile(problems=tuple(problems))
    return DotenvFile(dotenv_values(stream=StringIO(text)), lines)


def _blank_lines(text: str) -> int:
    return text[: len(text) - len(text.lstrip())].count("\n")


def excluded_urls(variables: Mapping[str, str]) -> list[re.Pattern[str]]:
    """The URLs that traces leave out.

    OpenTelemetry's own instrumentations read the same variable. It lists regular expressions, separated by commas, that
    are searched in a URL without its query.

    Raises:
        FluxLitError: one is none.
    """
    name = "OTEL_PYTHON_EXCLUDED_URLS"
    found = []
    for pattern in filter(None, map(str.strip, variables.get(name, "").split(","))):
        try:
            found.append(re.compile(pattern))
        except re.error as error:
            raise FluxLitError(f"{name}: {pattern!r} is not a regular expression: {error}") from None
    return found
