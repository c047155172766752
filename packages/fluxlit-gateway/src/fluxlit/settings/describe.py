"""What can be said about a setting without its value: its names in each layer and the form it must have."""

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
_SHOWN = 80
_LIMITS: dict[str, tuple[type[Any], str]] = {
    "minimum": (Ge, "ge"),
    "exclusiveMinimum": (Gt, "gt"),
    "maximum": (Le, "le"),
    "minLength": (MinLen, "min_length"),
}


def facts(setting: str) -> dict[str, Any]:
    """Return what the declaration adds to type and bounds.

    These are ``env``, ``flag``, ``aliases``, ``unit``, ``secret``, and ``word``, which stands for a value.
    """
    extra = Settings.model_fields[setting].json_schema_extra
    return dict(extra) if isinstance(extra, dict) else {}


def env_name(setting: str) -> str:
    """Return the environment variable of a setting."""
    return str(facts(setting).get("env", f"FLUXLIT_{setting.upper()}"))


def flag_name(setting: str) -> str:
    """Return the command-line option of a setting; the target has none, it is the argument ``TARGET``."""
    return str(facts(setting).get("flag", f"--{setting.replace('_', '-')}"))


def is_secret(setting: str) -> bool:
    """Say whether the value of a setting must never be shown."""
    return bool(facts(setting).get("secret"))


def flag_aliases(setting: str) -> tuple[str, ...]:
    """Return further spellings of the command-line option."""
    return tuple(facts(setting).get("aliases", ()))


@cache
def kind(setting: str) -> str:
    """Return ``bool``, ``int``, ``float``, ``str``, ``choice``, ``list`` or ``table``."""
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
    """Return the words that a setting of kind ``choice`` admits; none for any other kind."""
    return tuple(get_args(Settings.model_fields[setting].annotation)) if kind(setting) == "choice" else ()


def expected(setting: str) -> str:
    """Say in words which values a setting accepts."""
    phrases = {
        "choice": "one of " + ", ".join(choices(setting)),
        "bool": "true or false",
        "int": f"a whole number {_bounds(setting)}",
        "float": f"a number of seconds {_bounds(setting)}",
        "list": "a list of texts",
        "table": "a table (in a variable: a JSON object)",
        "str": "a text that is not empty" if _bound(setting, MinLen) else "a text",
    }
    word = facts(setting).get("word")
    return phrases[kind(setting)].strip() + (f" or {word}" if word else "")


def limits(setting: str) -> dict[str, Any]:
    """Return the bounds of a setting as keywords of JSON Schema, such as ``minimum``."""
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
    """Write a value for a message: short, on one line, and without the password of a URL."""
    text = json.dumps(_without_password(value), default=str, ensure_ascii=False)
    text = re.sub(r"://[^/@\s\"]*@", "://***@", text)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _without_password(value: object) -> object:
    # Passwords in URLs of session stores may hold any character, also the / at which a path would begin.
    if not isinstance(value, str) or "://" not in value:
        return value
    scheme, _, rest = value.partition("://")
    return f"{scheme}://***@{rest.rpartition('@')[2]}" if "@" in rest else value


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Find the name that was probably meant: the full name of a short one, the first of several, else the most similar.

    The settings begin with what the gateway needs, so that a bare ``port`` is the public one.
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
