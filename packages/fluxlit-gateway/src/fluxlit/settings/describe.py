"""Description of a setting: names in each layer, kind and bounds."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from functools import cache
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, MinLen

from fluxlit.settings.model import Settings

SETTINGS = tuple(Settings.model_fields)
_MAX_SHOWN = 80
_LIMITS: dict[str, tuple[type[Any], str]] = {
    "minimum": (Ge, "ge"),
    "exclusiveMinimum": (Gt, "gt"),
    "maximum": (Le, "le"),
    "minLength": (MinLen, "min_length"),
}


def facts(setting: str) -> dict[str, Any]:
    """Return what the declaration adds to type and bounds.

    These are ``env``, ``flag``, ``aliases``, ``unit``, ``secret``, ``word``, which replaces a value, and ``empty``: an
    empty variable is a value.
    """
    extra = Settings.model_fields[setting].json_schema_extra
    return dict(extra) if isinstance(extra, dict) else {}


def env_name(setting: str) -> str:
    """Return the environment variable of a setting."""
    return str(facts(setting).get("env", f"FLUXLIT_{setting.upper()}"))


def flag_name(setting: str) -> str:
    """Return the option of a setting; the argument ``TARGET`` for target."""
    return str(facts(setting).get("flag", f"--{setting.replace('_', '-')}"))


def is_secret(setting: str) -> bool:
    """Whether the value of a setting must never be shown."""
    return bool(facts(setting).get("secret"))


def flag_aliases(setting: str) -> tuple[str, ...]:
    """Return further spellings of the command-line option."""
    return tuple(facts(setting).get("aliases", ()))


@cache
def kind(setting: str) -> str:
    """Return the kind of a setting.

    One of ``bool``, ``int``, ``float``, ``str``, ``choice``, ``list`` and ``table``.
    """
    annotation = Settings.model_fields[setting].annotation
    given = [each for each in get_args(annotation) if each is not NoneType]
    if NoneType in get_args(annotation) and len(given) == 1:
        annotation = given[0]
    origin = get_origin(annotation)
    if origin is Literal:
        return "choice"
    if origin in (tuple, dict):
        return "list" if origin is tuple else "table"
    return annotation.__name__ if annotation in (bool, int, float) else "str"


def choices(setting: str) -> tuple[str, ...]:
    """Return the values of a setting of kind ``choice``, else nothing."""
    return tuple(get_args(Settings.model_fields[setting].annotation)) if kind(setting) == "choice" else ()


def expected(setting: str) -> str:
    """Return in words which values a setting accepts."""
    phrases = {
        "choice": "one of " + ", ".join(choices(setting)),
        "bool": "true or false",
        "int": f"a whole number {_bounds(setting)}",
        "float": f"a number of seconds {_bounds(setting)}",
        "list": "a list of strings",
        "table": "a table (in a variable: a JSON object)",
        "str": "a non-empty string" if _bound(setting, MinLen) else "a string",
    }
    word = facts(setting).get("word")
    return phrases[kind(setting)].strip() + (f" or {word}" if word else "")


def limits(setting: str) -> dict[str, Any]:
    """Return the bounds of a setting as keywords of JSON Schema."""
    found = {word: getattr(_bound(setting, kind), name, None) for word, (kind, name) in _LIMITS.items()}
    return {word: value for word, value in found.items() if value is not None}


def _bound(setting: str, limit: type[Any]) -> Any:
    return next((item for item in Settings.model_fields[setting].metadata if isinstance(item, limit)), None)


def _bounds(setting: str) -> str:
    above, least, most = (_bound(setting, limit) for limit in (Gt, Ge, Le))
    if above is not None:
        return f"above {above.gt}"
    if least is not None and most is not None:
        return f"from {least.ge} to {most.le}"
    return f"of at least {least.ge}" if least is not None else ""


def shown(value: object) -> str:
    """Return a value for a message: one short line without passwords."""
    text = json.dumps(_without_password(value), default=str, ensure_ascii=False)
    text = re.sub(r"://[^/@\s\"]*@", "://***@", text)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def _without_password(value: object) -> object:
    # Passwords in URLs of session stores may hold any character, also the / at which a path would begin.
    if not isinstance(value, str) or "://" not in value:
        return value
    scheme, _, rest = value.partition("://")
    return f"{scheme}://***@{rest.rpartition('@')[2]}" if "@" in rest else value


def nearest_setting(name: str) -> str | None:
    """Return the setting with this flag, else the most similar name."""
    flag = f"--{name.replace('_', '-')}"
    named = (each for each in SETTINGS if flag in (flag_name(each), *flag_aliases(each)))
    return next(named, None) or nearest(name, SETTINGS)


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the most similar name.

    A name that ends with the given word is preferred. The settings of the gateway come first, so that ``port`` is
    the public one.
    """
    known = list(candidates)
    wanted = name.lower()
    folded = {candidate.lower(): candidate for candidate in known}
    if wanted in folded:
        return folded[wanted]
    endings = [candidate for lower, candidate in folded.items() if lower.endswith(f"_{wanted}")]
    if endings:
        return endings[0]
    close = difflib.get_close_matches(wanted, folded, n=1, cutoff=0.7)
    return folded[close[0]] if close else None
