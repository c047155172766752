"""Configuration of all loggers: gateway, uvicorn, API, workers.

Two situations. Under `fluxlit run` the process is ours: `configure` gives the root logger one handler
and lets every other logger pass its records up, so that no line can appear twice. Under
`uvicorn app:app` uvicorn, or the user, has configured logging already: `attach` adds only what is missing,
which is a handler of the root logger if no other would show our lines and the application's own, and the
redaction filter everywhere.
"""

from __future__ import annotations

import logging
import logging.config
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from fluxlit.observability.logs.aborted_requests import CutOffFilter
from fluxlit.observability.logs.formatters import JsonLogFormatter, TerminalLogFormatter
from fluxlit.observability.logs.redaction import RedactionFilter, hide_parameter
from fluxlit.settings import Settings

_OURS = "fluxlit"
_PASSED_UP = (_OURS, "uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "fastapi")
# These write a line for each request or frame, with its content, at levels that people use for their own code.
# Likewise uvicorn, which logs the start of each of our servers, public and private, and of every WebSocket.
_CHATTY = ("asyncio", "httpcore", "httpx", "multipart", "python_multipart", "watchfiles", "websockets")
_QUIET_UNLESS_DEBUG = ("uvicorn.error",)


def configure(settings: Settings) -> None:
    """Configure all loggers of this process by the settings.

    Lines go to standard error. Colours appear only on a terminal and never with ``NO_COLOR``.
    """
    hide_parameter(settings.url_session_query_param)
    logging.config.dictConfig(dict_config(settings))


def dict_config(settings: Settings) -> dict[str, Any]:
    """Build the `logging.config.dictConfig` input that `configure` uses."""
    level = settings.log_level.upper()
    quiet = max(logging.WARNING, logging.getLevelNamesMapping()[level])
    chatty = _CHATTY if level == "DEBUG" else (*_CHATTY, *_QUIET_UNLESS_DEBUG)
    passed_up = {name: {"level": level, "handlers": [], "propagate": True} for name in _PASSED_UP}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"cut_off": {"()": CutOffFilter}, "redact": {"()": RedactionFilter}},
        "formatters": {"fluxlit": {"()": lambda: _formatter(settings, sys.stderr)}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": "fluxlit",
                "filters": ["cut_off", "redact"],
            }
        },
        "root": {"level": level, "handlers": ["stderr"]},
        "loggers": passed_up | {name: {"level": quiet} for name in chatty},
    }


def attach(settings: Settings) -> None:
    """Complete the logging configuration of others; idempotent.

    Uvicorn's own look stays, except that ``log_format = "json"`` turns its lines into JSON too. A
    formatter that the user chose is never replaced.
    """
    hide_parameter(settings.url_session_query_param)
    if not logging.getLogger().handlers:
        _show_the_rest(settings)
    ours = logging.getLogger(_OURS)
    if ours.level == logging.NOTSET:
        ours.setLevel(settings.log_level.upper())
    for handler in _handlers():
        for kind in (CutOffFilter, RedactionFilter):
            if not any(isinstance(each, kind) for each in handler.filters):
                handler.addFilter(kind())
        if settings.log_format == "json" and type(handler.formatter).__module__ == "uvicorn.logging":
            handler.setFormatter(JsonLogFormatter())


def _show_the_rest(settings: Settings) -> None:
    """Add a handler to the root logger; else Python shows warnings only."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    own = logging.StreamHandler()
    own.setFormatter(_formatter(settings, sys.stderr))
    if logging.getLogger("uvicorn").handlers:
        own.addFilter(lambda record: not record.name.startswith("uvicorn"))
    root = logging.getLogger()
    root.addHandler(own)
    root.setLevel(level)
    for name in _CHATTY:
        if logging.getLogger(name).level == logging.NOTSET:
            logging.getLogger(name).setLevel(max(logging.WARNING, level))


def _handlers() -> Iterator[logging.Handler]:
    """Yield the handlers that a line of ours or of uvicorn can reach."""
    for name in (None, *_PASSED_UP):
        yield from logging.getLogger(name).handlers


def _formatter(settings: Settings, stream: TextIO) -> logging.Formatter:
    if settings.log_format == "json":
        return JsonLogFormatter()
    return TerminalLogFormatter(colour=_has_colours(stream))


def _has_colours(stream: TextIO) -> bool:
    """Follow no-color.org: any non-empty NO_COLOR turns colours off."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
