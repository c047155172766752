"""Log records of a worker, sent to the gateway.

The gateway formats and writes them, so there is one configuration for all processes, and a line of a worker looks like
any other. What user code prints is not a record: the gateway reads it from the worker's output.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from fluxlit.observability.logs.formatters import describe_exception

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class ChannelHandler(logging.Handler):
    """Sends each record as one JSON line.

    Args:
        send_line: sends a line to the gateway.
        request_id: gives the id of the current request; empty outside of one.
    """

    def __init__(self, send_line: Callable[[str], None], request_id: Callable[[], str] = str) -> None:
        super().__init__()
        self._send_line = send_line
        self._request_id = request_id

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record."""
        try:
            self._send_line(json.dumps(_describe(record, self._request_id())))
        except Exception:  # noqa: BLE001  (a handler reports its own faults, it never raises)
            self.handleError(record)


def _describe(record: logging.LogRecord, request_id: str) -> dict[str, Any]:
    described = {
        "type": "log",
        "name": record.name,
        "level": record.levelno,
        "message": record.getMessage(),
        "created": record.created,
        "request_id": request_id,
        "facts": {
            name: value
            for name, value in vars(record).items()
            if name not in _STANDARD and isinstance(value, str | int | float)
        },
    }
    if record.exc_info:
        described["exception"] = describe_exception(record.exc_info)
    return described


def replay(message: Mapping[str, Any]) -> None:
    """Log in this process what a worker has sent."""
    logger = logging.getLogger(str(message["name"]))
    if not logger.isEnabledFor(int(message["level"])):
        return
    record = logger.makeRecord(logger.name, int(message["level"]), "", 0, message["message"], (), None)
    record.created = float(message["created"])
    record.msecs = (record.created % 1) * 1000
    record.exc_text = message.get("exception")
    vars(record).update({name: value for name, value in message.get("facts", {}).items() if name not in _STANDARD})
    if request_id := message.get("request_id"):
        record.request_id = request_id
    logger.handle(record)
