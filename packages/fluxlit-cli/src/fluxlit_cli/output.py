"""Terminal output: results on stdout, messages on stderr, colours."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any, TextIO

DEBUG = "--debug"
"""The option that adds tracebacks to errors."""

_CODES = {"red": "31", "green": "32", "yellow": "33", "dim": "2", "bold": "1"}


def error(message: str) -> None:
    """Print an error message."""
    _print(sys.stderr, f"{paint('error:', 'red', sys.stderr)} {message}")


def warning(message: str) -> None:
    """Print a warning."""
    _print(sys.stderr, f"{paint('warning:', 'yellow', sys.stderr)} {message}")


def write(message: str) -> None:
    """Print a result to standard output."""
    _print(sys.stdout, message)


def note(message: str) -> None:
    """Print progress to standard error."""
    _print(sys.stderr, message)


def paint(text: str, colour: str, stream: TextIO | Any = None) -> str:
    """Colour a string if the stream is a terminal.

    Not if NO_COLOR (no-color.org) is set.
    """
    out = sys.stdout if stream is None else stream
    plain = out is None or not out.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plain else f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


def describe(failure: BaseException, command: str = "fluxlit") -> str:
    """Return the message for an exception; names the class of foreign ones.

    Args:
        failure: the exception.
        command: the command, for a usage error that does not know it.
    """
    if any(cls.__name__ == "FluxLitError" for cls in type(failure).__mro__):
        return str(failure)
    if callable(message := getattr(failure, "format_message", None)):  # invalid command line
        if advice := _advice(getattr(failure, "option_name", None) or ""):
            return advice
        context = getattr(failure, "ctx", None)
        path = context.command_path if context else command
        # Pydantic, which parses the values for Typer, prefixes messages with the name of its exception.
        return f"{' '.join(message().replace(': Value error, ', ': ').split())} Try '{path} --help'."
    text = str(failure).strip()
    return f"{type(failure).__name__}: {text}\nUnexpected error; --debug shows the traceback."


def _advice(option: str) -> str:
    """What to do about an option that other tools or former versions have."""
    if option == "--reload":
        return "fluxlit dev reloads what you save, without an option; fluxlit run never reloads."
    from fluxlit.settings.layers import removed  # noqa: PLC0415  # only after an error

    return removed(option)


def help_of(failure: BaseException) -> str:
    """Return the help that a group shows if its command is missing."""
    context = getattr(failure, "ctx", None)
    message = getattr(failure, "format_message", None)
    text = str(context.get_help()) if context is not None and message is not None else ""
    return text if message is not None and message() == text else ""


def counted(count: int, what: str) -> str:
    """Return a number with its noun: ``1 session``, ``1 234 sessions``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}".replace(",", " ")


def duration(seconds: float) -> str:
    """Return a time in its two largest units: ``3 d 4 h``, ``2 min 5 s``."""
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
    """Return the lines of a table with aligned columns."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)]


def _print(stream: TextIO | None, text: str) -> None:
    """Print a line; escapes characters that the encoding lacks."""
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
    except OSError as gone:
        if gone.errno not in {errno.EPIPE, errno.EIO}:  # the reader has left, or the terminal hung up
            raise
        discard(stream)


def discard(stream: TextIO) -> None:
    """Redirect a stream to the null device."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
