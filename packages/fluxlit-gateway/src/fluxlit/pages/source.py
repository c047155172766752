"""Locations in the user's code, for messages with file and line."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_OWN_PACKAGE = __name__.partition(".")[0]


@dataclass(frozen=True)
class Location:
    """A line of a source file.

    Attributes:
        file: absolute path of the file, or a name in angle brackets for code without one.
        line: line number, counted from 1.
    """

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    @property
    def directory(self) -> Path:
        """The folder of the file; the working directory for code without a file."""
        return Path.cwd() if self.file.startswith("<") else Path(self.file).resolve().parent


@dataclass(frozen=True)
class Caller:
    """The innermost frame of the user's code.

    Attributes:
        location: the line that made the call.
        names: the local names there, by which annotations of functions defined inside functions are resolved.
    """

    location: Location
    names: Mapping[str, Any] = field(repr=False)


def caller() -> Caller:
    """The user's code that the current call came from."""
    frame = sys._getframe(1)  # noqa: SLF001 - the documented way to see the caller cheaply
    while frame.f_back is not None and _is_own(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
    return Caller(Location(frame.f_code.co_filename, frame.f_lineno), frame.f_locals)


def _is_own(module: str) -> bool:
    return module.partition(".")[0] == _OWN_PACKAGE


def innermost(function: Callable[..., Any]) -> Any:
    """The function or class behind partials, methods and `wraps` decorators."""
    while isinstance(function, functools.partial):
        function = function.func
    unwrapped = inspect.unwrap(function)
    if inspect.ismethod(unwrapped):
        return unwrapped.__func__
    if inspect.isfunction(unwrapped) or inspect.isclass(unwrapped):
        return unwrapped
    return inspect.unwrap(type(unwrapped).__call__)


def location_of(function: Callable[..., Any]) -> Location:
    """Where a function or class starts; a name in brackets without source."""
    target = innermost(function)
    code = getattr(target, "__code__", None)
    if code is not None:
        return Location(code.co_filename, code.co_firstlineno)
    try:
        return Location(inspect.getsourcefile(target) or "<unknown>", inspect.getsourcelines(target)[1])
    except (OSError, TypeError):
        return Location("<unknown>", 0)


def name_of(function: Callable[..., Any]) -> str:
    """`module:qualified.name` of a function, the same in every run."""
    target = innermost(function)
    return f"{getattr(target, '__module__', '?')}:{getattr(target, '__qualname__', type(target).__qualname__)}"
