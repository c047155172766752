"""Logging of a process in which an application has its own.

An application may configure logging on import, in its lifespan or in a page, by `basicConfig`, `dictConfig` or
handlers that a telemetry library adds. All of it has to work as it does without FluxLit, so this module takes nothing
away and adds no handler to the root logger, with which `basicConfig` would do nothing:

- Lines of FluxLit and uvicorn have a handler at their own loggers, as uvicorn's have by default.
- All other lines have `logging.lastResort`, which Python asks where nothing is configured.
- Where the root logger writes to the terminal, by a handler of the application, ours is silent.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TextIO

from fluxlit.observability.logs.formatters import JsonLogFormatter, TerminalLogFormatter
from fluxlit.observability.logs.redaction import RedactionFilter, hide_parameter
from fluxlit.settings import Settings

_OURS = ("fluxlit", "uvicorn")
_BELOW = ("uvicorn.error", "uvicorn.access", "uvicorn.asgi", "fastapi")
# These write a line for each request or frame, with its content, at levels that people use for their own code.
_CHATTY = frozenset(
    {"asyncio", "httpcore", "httpx", "multipart", "python_multipart", "watchdog", "watchfiles", "websockets"}
)

_CUT_OFF = "A request was cut off: the server stops, and waits no longer."


class ChatterFilter(logging.Filter):
    """Drops chatter of libraries; their levels are the application's."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is written."""
        return record.levelno >= logging.WARNING or record.name.partition(".")[0] not in _CHATTY


IN_PRIVATE_SERVER: ContextVar[bool] = ContextVar("IN_PRIVATE_SERVER", default=False)
"""Whether a task runs a server beside the public one."""


@functools.cache
def _server_code() -> tuple[str, ...]:
    """Return the folders of uvicorn, of its WebSocket library and ours."""
    import uvicorn  # noqa: PLC0415  (heavy; what logs is imported already)
    import websockets  # noqa: PLC0415

    files = (uvicorn.__file__, websockets.__file__)
    return *(f"{Path(file).parent}{os.sep}" for file in files), f"{Path(__file__).parents[2]}{os.sep}"


class UvicornLogFilter(logging.Filter):
    """Drops what uvicorn reports of each server and of every WebSocket.

    An application may log with the same logger, so its level is no means.

    Attributes:
        everywhere: not of private servers alone.
    """

    everywhere = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is written."""
        if record.levelno >= logging.WARNING or not record.pathname.startswith(_server_code()):
            return True
        return not self.everywhere and not IN_PRIVATE_SERVER.get()


def filter_uvicorn_log(*, everywhere: bool = True) -> None:
    """Filter the logger of uvicorn's servers; idempotent."""
    logger = logging.getLogger("uvicorn.error")
    found = [each for each in logger.filters if isinstance(each, UvicornLogFilter)]
    log_filter = found[0] if found else UvicornLogFilter()
    log_filter.everywhere = log_filter.everywhere or everywhere
    logger.addFilter(log_filter)


class CutOffFilter(logging.Filter):
    """Rewrites uvicorn's report of a cancelled request.

    uvicorn cancels requests only when it stops: after the graceful timeout, and after a second Ctrl-C.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        if (
            record.name == "uvicorn.error"
            and record.exc_info
            and isinstance(record.exc_info[1], asyncio.CancelledError)
        ):
            record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
            record.msg, record.args, record.exc_info, record.exc_text = _CUT_OFF, (), None, None
        return True


class ConsoleHandler(logging.StreamHandler[TextIO]):
    """Writes to standard error, unless the root logger does.

    Args:
        settings: its form.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(_formatter(settings, sys.stderr))
        for each in (ChatterFilter(), CutOffFilter(), RedactionFilter()):
            self.addFilter(each)

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a record, unless the application's handler does."""
        root = logging.getLogger()
        if any(_writes_to_terminal(handler) for handler in root.handlers) and _reaches(record.name, root):
            return False
        return bool(super().handle(record))


def configure(settings: Settings, *, of_uvicorn: bool = True) -> None:
    """Add what the logging configuration of this process lacks; idempotent.

    Lines go to standard error. Colours appear only on a terminal and never with ``NO_COLOR``. Uvicorn's own look stays,
    except that ``log_format = "json"`` turns its lines into JSON too. A formatter of the user is never replaced.

    Args:
        settings: level and form.
        of_uvicorn: uvicorn's loggers too, unless its command has configured them.
    """
    hide_parameter(settings.url_session_query_param)
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root, console = logging.getLogger(), ConsoleHandler(settings)
    if not root.handlers:
        root.setLevel(level)
    logging.lastResort = console
    servers = logging.getLogger("uvicorn")
    unconfigured = not servers.handlers and servers.level == logging.NOTSET  # by uvicorn's command and by the user
    filter_uvicorn_log(everywhere=of_uvicorn and unconfigured and level > logging.DEBUG)
    for name in _OURS if of_uvicorn else _OURS[:1]:
        logger = logging.getLogger(name)
        if not logger.handlers:
            logger.addHandler(console)
        _set_level(name, level)
    for logger in _enabled():
        logger.disabled = False
    _complete(settings)


def _set_level(name: str, level: int) -> None:
    logger = logging.getLogger(name)
    if logger.level == logging.NOTSET:
        logger.setLevel(level)


def _enabled() -> Iterator[logging.Logger]:
    """Yield our loggers, which `dictConfig` disables unless it names them."""
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.partition(".")[0] in _OURS and isinstance(logger, logging.Logger):
            yield logger


def _complete(settings: Settings) -> None:
    """Redact what every handler that a line of ours can reach writes."""
    for name in (None, *_OURS, *_BELOW):
        for handler in logging.getLogger(name).handlers:
            for kind in (CutOffFilter, RedactionFilter):
                if not any(isinstance(each, kind) for each in handler.filters):
                    handler.addFilter(kind())
            if settings.log_format == "json" and type(handler.formatter).__module__ == "uvicorn.logging":
                handler.setFormatter(JsonLogFormatter())


def _writes_to_terminal(handler: logging.Handler) -> bool:
    # Rich's handler is no StreamHandler and has a console.
    stream = getattr(handler, "stream", None)
    return (stream is not None and stream in (sys.stderr, sys.stdout)) or hasattr(handler, "console")


def _reaches(name: str, root: logging.Logger) -> bool:
    """Whether records of a logger are passed up to the root logger."""
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None and logger is not root:
        if not logger.propagate:
            return False
        logger = logger.parent
    return True


def _formatter(settings: Settings, stream: TextIO) -> logging.Formatter:
    if settings.log_format == "json":
        return JsonLogFormatter()
    return TerminalLogFormatter(colour=_has_colours(stream))


def _has_colours(stream: TextIO) -> bool:
    """Follow no-color.org: any non-empty NO_COLOR turns colours off."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
