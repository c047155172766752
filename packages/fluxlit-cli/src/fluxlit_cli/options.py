"""One command-line option for every setting, made from its declaration.

The options carry text; what a value must look like is checked once, where all layers meet, so that a
wrong port is refused in the same words whether it comes from a flag, a variable or a file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from fluxlit.settings import Settings, describe

_METAVARS = {"int": "INTEGER", "float": "SECONDS", "list": "A,B,...", "table": "JSON", "str": "TEXT"}


def with_settings(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command an option for every setting; it receives those that were used as `flags`.

    The parameters of the command itself come first, `flags` excepted.
    """
    own = [each for each in inspect.signature(command, eval_str=True).parameters.values() if each.name != "flags"]
    added = [_parameter(setting) for setting in describe.SETTINGS if setting != "target"]

    def run(**values: Any) -> int:
        flags = {each.name: values.pop(each.name) for each in added}
        return command(**values, flags={name: value for name, value in flags.items() if value is not None})

    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    run.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in (*own, *added)}
    return run


def spell(flags: Mapping[str, object]) -> list[str]:
    """Write flags as they would stand on a command line."""
    words: list[str] = []
    for setting, value in flags.items():
        name = describe.flag_name(setting)
        words += [name if value else _negated(name)] if isinstance(value, bool) else [name, str(value)]
    return words


def _parameter(setting: str) -> inspect.Parameter:
    kind = describe.kind(setting)
    names = (describe.flag_name(setting), *describe.flag_aliases(setting))
    if kind == "bool":
        names = tuple(f"{name}/{_negated(name)}" for name in names)
    metavar = "|".join(describe.choices(setting)) if kind == "choice" else _METAVARS.get(kind)
    option = typer.Option(*names, help=_help(setting), metavar=metavar, show_default=False)
    annotation: Any = Annotated[bool | None, option] if kind == "bool" else Annotated[str | None, option]
    return inspect.Parameter(setting, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _negated(flag: str) -> str:
    return f"--no-{flag.removeprefix('--')}"


def _help(setting: str) -> str:
    field = Settings.model_fields[setting]
    default = field.default
    told = "" if default in (None, "", (), {}) else f" [default: {_plain(default)}]"
    return f"{(field.description or '').replace('`', '')}{told}"


def _plain(default: object) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return ",".join(default) if isinstance(default, tuple) else str(default)
