"""What the command says: results on standard output, messages on standard error, colours only on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
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
        # Pydantic, which reads the values for Typer, puts the name of its exception in front of what it says.
        return f"{describe().replace(': Value error, ', ': ')} Try '{command} --help'."
    text = str(failure).strip()
    return f"{type(failure).__name__}: {text}\nThis was not expected; --debug shows where it happened."


def counted(count: int, what: str) -> str:
    """A number with its noun: ``1 session``, ``1 234 sessions``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}".replace(",", " ")


def span(seconds: float) -> str:
    """A time in its two largest units: ``3 d 4 h``, ``2 min 5 s``."""
    left = max(0, int(seconds))
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    parts = []
    for name, size in units:
        count, left = divmod(left, size)
        parts.append((count, name))
    first = next((at for at, (count, _) in enumerate(parts) if count), len(parts) - 1)
    shown = [(count, name) for count, name in parts[first : first + 2] if count]
    return " ".join(f"{count} {name}" for count, name in shown) or "0 s"


def columns(head: list[str], rows: list[list[str]]) -> list[str]:
    """A table in columns as wide as they need to be."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)]


def _write(stream: TextIO | None, text: str) -> None:
    """Write a line; a character that the stream cannot show is escaped, and it is no error if nobody listens."""
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
    except BrokenPipeError:
        abandon(stream)


def abandon(stream: TextIO) -> None:
    """Drop what is written to a stream from now on: its reader has left, and the command goes on."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
