"""Session data to bytes and back: JSON with tagged values. Never pickle.

The rule: a decoded value equals the encoded one and has the same type, or encoding
fails with an error that names the place of the value. Nothing is converted silently,
therefore subclasses of the builtin types (numpy numbers, str enums) are refused
unless they are registered.

A tagged value is a JSON object with one key that starts with ``$``:

    {"$datetime": ["2026-03-01T12:00:00+01:00", 0, "Europe/Berlin"]}     string, fold, zone or ""
    {"$date": "2026-03-01"}       {"$time": ["12:00:00", 0]}            string, fold
    {"$timedelta": [days, seconds, microseconds]}
    {"$decimal": "1.10"}          {"$uuid": "..."}        {"$bytes": "<base64>"}
    {"$tuple": [...]}             {"$set": [...]}         {"$frozenset": [...]}
    {"$float": "nan"}             {"$map": [[key, value], ...]}   keys that are not strings
    {"$dict": {...}}              a dict that looks like a tagged value
    {"$enum": [name, member]}     {"$model": [name, fields]}      {"$dataclass": [name, fields]}

The last three are for registered types only. They are stored under a name, not under
an import path, so reading data imports and runs nothing that was not registered.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fluxlit_sessions.errors import SessionDataError, SessionStoreError

MAX_DEPTH = 64
Path = tuple[str | int, ...]


def _show(path: Path) -> str:
    return "data" + "".join(f"[{step!r}]" for step in path)


def _dump_datetime(value: datetime) -> list[Any]:
    zone = value.tzinfo.key if isinstance(value.tzinfo, ZoneInfo) else None
    return [value.isoformat(), value.fold, zone or ""]


def _load_datetime(stored: list[Any]) -> datetime:
    text, fold, zone = stored
    moment = datetime.fromisoformat(text).replace(fold=fold)
    try:
        return moment.replace(tzinfo=ZoneInfo(zone)) if zone else moment
    except ZoneInfoNotFoundError:  # this machine knows no such zone; the offset still determines the moment
        return moment


def _dump_time(value: time) -> list[Any]:
    if value.tzinfo is not None and value.utcoffset() is None:
        raise SessionDataError("a time of day in a named zone cannot be stored; use a datetime, or drop the zone")
    return [value.isoformat(), value.fold]


def _load_time(stored: list[Any]) -> time:
    return time.fromisoformat(stored[0]).replace(fold=stored[1])


_SCALARS: dict[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    datetime: ("$datetime", _dump_datetime, _load_datetime),
    date: ("$date", date.isoformat, date.fromisoformat),
    time: ("$time", _dump_time, _load_time),
    timedelta: ("$timedelta", lambda v: [v.days, v.seconds, v.microseconds], lambda v: timedelta(*v)),
    Decimal: ("$decimal", str, Decimal),
    UUID: ("$uuid", str, UUID),
    bytes: ("$bytes", lambda v: base64.b64encode(v).decode(), lambda v: base64.b64decode(v, validate=True)),
}
_LOAD_SCALAR = {tag: load for tag, _, load in _SCALARS.values()} | {"$float": float}
_COLLECTIONS: dict[type, str] = {tuple: "$tuple", set: "$set", frozenset: "$frozenset"}
_LOAD_COLLECTION: dict[str, Callable[[Iterable[Any]], Any]] = {"$tuple": tuple, "$set": set, "$frozenset": frozenset}


class Codec:
    """Encodes session data as JSON.

    Args:
        types: enums, Pydantic models and dataclasses that may be stored. As a mapping it gives
            the name each is stored under; otherwise that is the name of the class.

    Raises:
        SessionStoreError: a type is of another sort, or two have one name.
    """

    def __init__(self, types: Iterable[type] | Mapping[str, type] = ()) -> None:
        named = (
            types.items() if isinstance(types, Mapping) else [(getattr(item, "__name__", ""), item) for item in types]
        )
        self._types: dict[str, type] = {}
        self._tags: dict[type, tuple[str, str]] = {}
        for name, item in named:
            self._register(name, item)

    def _register(self, name: str, item: type) -> None:
        if name in self._types:
            raise SessionStoreError(f"Two types are registered as {name!r}; give names: types={{'name': Type, ...}}.")
        self._types[name] = item
        self._tags[item] = (_sort(item), name)

    def encode(self, data: Mapping[str, Any]) -> bytes:
        """Returns `data` as UTF-8 JSON.

        Raises:
            SessionDataError: a value in it cannot be stored; the error names the place.
        """
        if not all(type(key) is str for key in data):
            raise SessionDataError("the data of a session is a mapping with strings as keys")
        plain = {key: self._dump(value, (key,)) for key, value in data.items()}
        try:
            return json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        except ValueError as error:  # a lone surrogate, or an integer of thousands of digits
            raise SessionDataError(f"a value cannot be written as JSON ({error})") from error

    def decode(self, stored: bytes) -> dict[str, Any]:
        """Returns the data that `encode` was given.

        Raises:
            SessionDataError: it is not what `encode` writes, or needs a type that is not registered.
        """
        try:
            plain = json.loads(stored)
            return {key: self._load(value) for key, value in plain.items()}
        except SessionDataError:
            raise
        except Exception as error:  # a registered type's own validation may raise anything
            raise SessionDataError(f"stored data cannot be read ({type(error).__name__}: {error})") from error

    def _dump(self, value: Any, path: Path) -> Any:  # noqa: PLR0911 - a table with conditions
        kind = type(value)
        if value is None or kind in (str, int, bool):
            return value
        if len(path) > MAX_DEPTH:
            raise SessionDataError(f"nested deeper than {MAX_DEPTH} levels, or contains itself", path=_show(path[:3]))
        if kind is float:
            return value if math.isfinite(value) else {"$float": repr(value)}
        if kind is list:
            return [self._dump(item, (*path, index)) for index, item in enumerate(value)]
        if kind is dict:
            return self._dump_dict(value, path)
        if kind in _SCALARS:
            tag, dump, _ = _SCALARS[kind]
            return {tag: dump(value)}
        if kind in _COLLECTIONS:
            return {_COLLECTIONS[kind]: self._dump_items(value, path)}
        return self._dump_registered(value, path)

    def _dump_items(self, values: Iterable[Any], path: Path) -> list[Any]:
        items = [self._dump(item, (*path, index)) for index, item in enumerate(values)]
        return items if isinstance(values, tuple) else sorted(items, key=repr)  # equal sets give equal bytes

    def _dump_dict(self, value: dict[Any, Any], path: Path) -> Any:
        if not all(type(key) is str for key in value):
            pairs = [[self._dump(key, (*path, "key")), self._dump(item, (*path, key))] for key, item in value.items()]
            return {"$map": pairs}
        plain = {key: self._dump(item, (*path, key)) for key, item in value.items()}
        return {"$dict": plain} if len(plain) == 1 and next(iter(plain)).startswith("$") else plain

    def _dump_registered(self, value: Any, path: Path) -> Any:
        tag, name = self._tags.get(type(value), ("", ""))
        match tag:
            case "$enum":
                return {tag: [name, value.name]}
            case "$model":
                return {tag: [name, _dump_model(value, path)]}
            case "$dataclass":
                fields = {item.name: getattr(value, item.name) for item in dataclasses.fields(value) if item.init}
                return {tag: [name, {key: self._dump(item, (*path, key)) for key, item in fields.items()}]}
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise SessionDataError(
            f"a value of type {kind} cannot be stored. Convert it to a plain type; an enum, dataclass "
            f"or Pydantic model can be registered instead (types=[...])",
            path=_show(path),
        )

    def _load(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._load(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            tag, content = next(iter(value.items()))
            if tag.startswith("$"):
                return self._load_tagged(tag, content)
        return {key: self._load(item) for key, item in value.items()}

    def _load_tagged(self, tag: str, content: Any) -> Any:
        if tag in _LOAD_SCALAR:
            return _LOAD_SCALAR[tag](content)
        if tag in _LOAD_COLLECTION:
            return _LOAD_COLLECTION[tag](self._load(item) for item in content)
        match tag:
            case "$dict":
                return {key: self._load(item) for key, item in content.items()}
            case "$map":
                return {self._load(key): self._load(item) for key, item in content}
        name, stored = content
        kind = self._types.get(name)
        if kind is None or self._tags[kind][0] != tag:
            raise SessionDataError(f"stored data has a value of type {name!r}, which is not registered (types=[...])")
        return self._load_registered(tag, kind, stored)

    def _load_registered(self, tag: str, kind: type, stored: Any) -> Any:
        if tag == "$enum":
            return cast("type[Enum]", kind)[stored]
        if tag == "$model":
            return cast(Any, kind).model_validate_json(json.dumps(stored))
        return kind(**{key: self._load(item) for key, item in stored.items()})


def _sort(item: Any) -> str:
    """Returns the tag for a type that is to be registered."""
    if isinstance(item, type):
        if issubclass(item, Enum) and not issubclass(item, Flag):
            return "$enum"
        if hasattr(item, "model_dump_json") and hasattr(item, "model_validate_json"):
            return "$model"
        if dataclasses.is_dataclass(item):
            return "$dataclass"
    raise SessionStoreError(f"{item!r} cannot be registered: only enums, Pydantic models and dataclasses can.")


def _dump_model(value: Any, path: Path) -> Any:
    # Pydantic's own JSON form, so that its serializers, strict modes and validators apply in both directions.
    try:
        return json.loads(value.model_dump_json(round_trip=True))
    except Exception as error:  # a field's own serializer may raise anything
        raise SessionDataError(f"the model cannot be written as JSON ({error})", path=_show(path)) from error
