"""Log formatters: a JSON object a line, or a readable line."""

from __future__ import annotations

import json
import logging
import math
import re
import time
from datetime import UTC, datetime
from typing import Any

from fluxlit._internal.tracebacks import format_exception
from fluxlit.observability.current_request import REQUEST_ID
from fluxlit.observability.logs.redaction import ACCESS, is_clean, redact, redact_value

# What every record carries; anything beyond it was passed as `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Extras that libraries attach for their own formatters.
_FOREIGN = frozenset({"color_message", "websocket"})
_ACCESS_FIELDS = ("client", "method", "path", "http_version", "status")
# C0 and C1 control characters except newline and tab, other ends of lines, and what turns the direction of writing: a
# logged path must not move the terminal's cursor, begin a line or hide the rest of it. A surrogate cannot be written.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_COLOURS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """Return the extra fields of a record, without secrets.

    Of uvicorn's access line these are its parts.
    """
    fields = {
        name: value if record.name == ACCESS else redact_value(name, value)
        for name, value in vars(record).items()
        if name not in _STANDARD and name not in _FOREIGN and not name.startswith("_")
    }
    if record.name == "uvicorn.access" and isinstance(record.args, tuple) and len(record.args) == len(_ACCESS_FIELDS):
        fields |= {name: redact_value(name, value) for name, value in zip(_ACCESS_FIELDS, record.args, strict=True)}
    return fields


class JsonLogFormatter(logging.Formatter):
    """Writes one JSON object a line.

    Keys: ``timestamp`` (RFC 3339, UTC), ``level``, ``logger``, ``message``, then what was
    passed as ``extra``, ``request_id`` for what is logged on behalf of a request, then ``exception``
    and ``stack`` if there are any. Secrets are replaced.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        entry: dict[str, Any] = {
            "timestamp": _timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        entry |= {name: value for name, value in extras(record).items() if name not in entry}
        if request_id := REQUEST_ID.get():
            entry.setdefault("request_id", request_id)
        if exception := _exception(record):
            entry["exception"] = exception
        if record.stack_info:
            entry["stack"] = redact(record.stack_info)
        line = json.dumps(_finite(entry), ensure_ascii=False, default=_described)
        return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", line)


class TerminalLogFormatter(logging.Formatter):
    """Writes a readable line, with colours on request.

    For example ``12:30:59.123 INFO    fluxlit.gateway  message  key=value``.

    Control characters are written as escapes and continuation lines are indented, so that nothing
    a client sends can pass for a line of its own.

    Args:
        colour: whether the output understands ANSI colours.
    """

    def __init__(self, *, colour: bool = False) -> None:
        super().__init__()
        self.colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        clock = f"{time.strftime('%H:%M:%S', time.localtime(record.created))}.{int(record.msecs):03d}"
        level = self._paint(f"{record.levelname:<8}", _COLOURS.get(record.levelname, "0"))
        fields = "" if record.name == "uvicorn.access" else self._fields(record)
        exception = _exception(record)
        if exception and not hasattr(record, "request_id") and (request_id := REQUEST_ID.get()):
            fields += f"  request_id={request_id}"  # the page or the response with the error names it
        text = f"{_message(record).rstrip()}{fields}"
        for detail in (exception, redact(record.stack_info or "")):
            text += f"\n{detail}" if detail else ""
        return f"{self._paint(clock, '2')} {level} {self._paint(record.name, '2')}  {_escaped(text)}"

    def _fields(self, record: logging.LogRecord) -> str:
        shown = {"method", "path", "status"} if record.name == ACCESS else set()
        simple = {
            name: value
            for name, value in extras(record).items()
            if isinstance(value, (str, int, float, bool)) and name not in shown
        }
        return "".join(f"  {name}={value}" for name, value in simple.items())

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text


def _message(record: logging.LogRecord) -> str:
    return record.getMessage() if is_clean(record) else redact(record.getMessage())


def _described(value: object) -> str:
    return redact(str(value))


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def describe_exception(info: Any) -> str:
    """Return the traceback of an `exc_info`, beginning with the user's code."""
    error = info[1] if isinstance(info, tuple) else None
    return format_exception(error) if error is not None else ""


def _exception(record: logging.LogRecord) -> str:
    return redact(record.exc_text or describe_exception(record.exc_info))


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text).replace("\n", "\n    ")


def _finite(value: Any) -> Any:
    """Write numbers that JSON does not know (RFC 8259 section 6) as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, (list, tuple)) else value
