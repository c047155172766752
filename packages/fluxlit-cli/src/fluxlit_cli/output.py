"""What the command says: results on standard output, messages on standard error, colours only on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

_CODES = {"red": "31", "green": "32", "yellow": "33", "dim": "2", "bold": "1"}


def error(message: str) -> None:
    """Say what is wrong."""
    _write(sys.stderr, f"{paint('error:', 'red', sys.stderr)} {message}")


def warning(message: str) -> None:
    """Say what looks wrong and does not stop the command."""
    _write(sys.stderr, f"{paint('warning:', 'yellow', sys.stderr)} {message}")


def say(message: str) -> None:
    """Write a result."""
    _write(sys.stdout, message)


def note(message: str) -> None:
    """Tell about progress, beside the result."""
    _write(sys.stderr, message)


def paint(text: str, colour: str, stream: TextIO | Any = None) -> str:
    """Colour a text where the stream is a terminal and NO_COLOR (no-color.org) is not set."""
    out = sys.stdout if stream is None else stream
    plain = out is None or not out.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plain else f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


def wants_tracebacks(arguments: Sequence[str]) -> bool:
    """Say whether somebody asked to see where an error came from."""
    return "--debug" in arguments or os.environ.get("FLUXLIT_DEBUG", "").lower() in {"1", "true", "yes", "on"}


def sentence(failure: BaseException) -> str:
    """Put an exception into words: our own errors speak for themselves, others are named."""
    if any(cls.__name__ == "FluxLitError" for cls in type(failure).__mro__):
        return str(failure)
    if callable(describe := getattr(failure, "format_message", None)):  # wrong use of the command line
        context = getattr(failure, "ctx", None)
        command = context.command_path if context else "fluxlit"
        return f"{describe()} Try '{command} --help'."
    text = str(failure).strip()
    return f"{type(failure).__name__}: {text}\nThis was not expected; --debug shows where it happened."


def _write(stream: TextIO | None, text: str) -> None:
    """Write a line; a character that the stream cannot show is escaped, a closed stream is no error."""
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
