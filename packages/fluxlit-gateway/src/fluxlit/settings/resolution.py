"""Merging the layers into one `Settings`, with the source of every value."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fluxlit.errors import Problem, SettingsError
from fluxlit.settings.contradictions import contradictions, select_mode
from fluxlit.settings.describe import SETTINGS, expected, facts, is_secret, shown
from fluxlit.settings.layers import Given, read_layers
from fluxlit.settings.model import Settings
from fluxlit.settings.provenance import Layer, Source
from fluxlit.settings.target import anchored

_DEFAULT = Source(Layer.DEFAULT, "default")


@dataclass(frozen=True)
class Resolved:
    """The effective settings and their sources.

    Attributes:
        settings: the values.
        sources: the source of each value, by setting.
        project_root: directory of the project file, else the working directory.
        project_file: the project file, if there is one.
        shadowed: overridden values of weaker layers by setting, strongest first.
        words: words given instead of a value that depends on the machine, such as ``auto``, by setting.
    """

    settings: Settings
    sources: Mapping[str, Source]
    project_root: Path
    project_file: Path | None = None
    shadowed: Mapping[str, tuple[Given, ...]] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ResolvedTarget:
    """The target, which is needed before the `FluxLit` object is imported.

    Attributes:
        target: the target, `None` if no layer sets it.
        source: its source.
        project_root: directory of the project file, else the working directory.
        directory: where its module is; `None` for the working directory.
    """

    target: str | None
    source: Source
    project_root: Path
    directory: Path | None = None


def resolve(
    *,
    flags: Mapping[str, object] | None = None,
    arguments: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    directory: str | Path | None = None,
    dotenv: bool = True,
) -> Resolved:
    """Merge all layers and validate the settings.

    The order is flag, environment, `.env`, project file, `FluxLit(...)` arguments, default.

    Args:
        flags: values of command-line options by name of the setting; `None` means not given.
        arguments: arguments of `FluxLit(...)`; `None` means not given.
        environ: the environment, by default that of the process.
        directory: where the search for the project file starts, by default the working directory.
        dotenv: read `.env`, which belongs to one machine; a description of the project leaves it out.

    Raises:
        SettingsError: with all problems of all layers.
    """
    layers = read_layers(flags or {}, arguments or {}, _environment(environ), _start(directory), dotenv=dotenv)
    problems = [*layers.unreadable, *layers.unknown, *_invalid(layers.given)]
    broken = {problem.setting for problem in problems}
    chosen = _strongest(layers.given)
    settings = _settings(item for name, item in chosen.items() if name not in broken)
    sources: Mapping[str, Source] = {name: chosen[name].source if name in chosen else _DEFAULT for name in SETTINGS}
    settings, sources = select_mode(settings, sources)
    problems += contradictions(settings, sources, broken)
    if problems:
        raise SettingsError(problems)
    return Resolved(settings, sources, layers.root, layers.file, _shadowed(layers.given), _words(chosen))


def resolve_target(
    *,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    directory: str | Path | None = None,
) -> ResolvedTarget:
    """Find the target; problems of other settings are ignored.

    Raises:
        SettingsError: when a layer cannot be read or the target is not a string.
    """
    layers = read_layers(flags or {}, {}, _environment(environ), _start(directory))
    given = [item for item in layers.given if item.setting == "target"]
    if problems := [*layers.unreadable, *_invalid(given)]:
        raise SettingsError(problems)
    if not given:
        return ResolvedTarget(None, _DEFAULT, layers.root)
    target, source = str(given[0].value), given[0].source
    if source.layer in (Layer.FILE, Layer.DOTENV) and layers.root != _start(directory):
        return ResolvedTarget(anchored(target, layers.root), source, layers.root, layers.root)
    return ResolvedTarget(target, source, layers.root)


def _environment(environ: Mapping[str, str] | None) -> Mapping[str, str]:
    return os.environ if environ is None else environ


def _start(directory: str | Path | None) -> Path:
    return Path.cwd() if directory is None else Path(directory).absolute()


def _strongest(given: Iterable[Given]) -> dict[str, Given]:
    chosen: dict[str, Given] = {}
    for item in given:
        chosen.setdefault(item.setting, item)
    return chosen


def _shadowed(given: Iterable[Given]) -> dict[str, tuple[Given, ...]]:
    rest: dict[str, tuple[Given, ...]] = {}
    seen = set()
    for item in given:
        if item.setting in seen:
            rest[item.setting] = (*rest.get(item.setting, ()), item)
        seen.add(item.setting)
    return rest


def _words(chosen: Mapping[str, Given]) -> dict[str, str]:
    words = {name: facts(name).get("word") for name in chosen}
    return {name: word for name, word in words.items() if str(chosen[name].value).strip().lower() == word}


def _settings(given: Iterable[Given]) -> Settings:
    values: dict[str, Any] = {item.setting: item.decoded() for item in given}
    return Settings(**values)


def _invalid(given: Iterable[Given]) -> Iterator[Problem]:
    """Validate each layer on its own, including overridden values."""
    for _, group in groupby(given, key=lambda item: item.source.layer):
        layer = {item.setting: item for item in group}
        try:
            _settings(layer.values())
        except ValidationError as error:
            yield from _problems(error, layer)


def _problems(error: ValidationError, layer: Mapping[str, Given]) -> Iterator[Problem]:
    details: dict[str, Any] = {}
    for detail in error.errors(include_url=False):
        details.setdefault(str(detail["loc"][0]), detail)
    for setting, detail in details.items():
        item = layer[setting]
        rule = detail.get("ctx", {}).get("error") if detail["type"] == "value_error" else None
        demand = rule or f"must be {expected(setting)}, not {'this value' if is_secret(setting) else shown(item.value)}"
        yield item.source.problem(setting, f"{setting} {demand}")
