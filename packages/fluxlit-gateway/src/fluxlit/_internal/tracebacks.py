"""Tracebacks that begin with the user's code."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

FAULT_HEADER = "x-fluxlit-fault"
"""Header of a response to a page in development: the exception that the route raised, percent-encoded."""

_OWN = str(Path(__file__).resolve().parent.parent) + "/"
_STANDARD = str(Path(sysconfig.get_path("stdlib")).resolve()) + "/"
_INSTALLED = ("/site-packages/", "/dist-packages/")
# What stands between a server or Streamlit and the user's code.
_FRAMEWORKS = tuple(
    f"{folder}{name}/"
    for folder in _INSTALLED
    for name in ("anyio", "fastapi", "fluxlit", "httpx", "starlette", "streamlit", "uvicorn")
)
_PLUMBING = tuple(_STANDARD + name for name in ("asyncio/", "concurrent/", "contextlib.py", "threading.py"))


def is_users(file: str) -> bool:
    """Whether a source file is neither installed nor FluxLit's nor Python's."""
    installed = any(folder in file for folder in _INSTALLED)
    return not (installed or file.startswith(("<", _OWN, _STANDARD)))


def is_framework(file: str) -> bool:
    """Whether a source file only leads to the user's code."""
    return file.startswith(("<frozen importlib", _OWN, *_PLUMBING)) or any(name in file for name in _FRAMEWORKS)


def format_exception(error: BaseException) -> str:
    """Format an exception with its causes, without frames of frameworks.

    A traceback that has only such frames keeps them.
    """
    described = traceback.TracebackException.from_exception(error)
    _drop_frameworks(described)
    return "".join(described.format()).rstrip("\n")


def _drop_frameworks(described: traceback.TracebackException) -> None:
    kept = [frame for frame in described.stack if not is_framework(frame.filename)]
    described.stack[:] = kept or list(described.stack)
    for other in (described.__cause__, described.__context__, *(described.exceptions or ())):
        if other is not None:
            _drop_frameworks(other)


def place_of(error: BaseException) -> tuple[str, int] | None:
    """Return file and line of the last frame in the user's code, if any."""
    if isinstance(error, SyntaxError):
        return (error.filename, error.lineno or 0) if error.filename else None
    frames = traceback.walk_tb(error.__traceback__)
    found = [(frame.f_code.co_filename, line) for frame, line in frames if is_users(frame.f_code.co_filename)]
    return found[-1] if found else None


def describe(error: BaseException) -> str:
    """Return one line: ``RuntimeError: boom (app.py:8)``."""
    text = f"{type(error).__name__}: {error}".strip().partition("\n")[0]
    place = place_of(error)
    if place is None:
        return text
    file = Path(place[0])
    shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    return f"{text} ({shown}:{place[1]})"
