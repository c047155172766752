# ruff: noqa: PLC0415, SLF001
"""Streamlit's log records go where those of other libraries go."""

from __future__ import annotations

import logging
import sys

from fluxlit.streamlit.feature import Feature

LOG_ROUTING = Feature(
    "routing of log records",
    off="Streamlit writes its log lines to the worker's stderr in its own form, and they appear as lines of output.",
    names=("streamlit.logger:setup_formatter", "streamlit.logger:get_logger", "streamlit.logger:_loggers"),
)

_HANDLER = "streamlit_console_handler"
_SERVERS = ("uvicorn", "websockets")


def route_logs() -> None:
    """Pass the records of Streamlit's loggers up.

    Streamlit gives every logger a handler of its own and stops propagation, for ``uvicorn`` too. Handlers of others
    stay.
    """
    LOG_ROUTING.attempt(_route_all, None)


def route_imported_logs() -> None:
    """The same in another process, if the application imported Streamlit."""
    if "streamlit.logger" in sys.modules:
        route_logs()


def _route_all() -> None:
    from streamlit import logger as streamlit_logger

    if streamlit_logger.setup_formatter is _route:
        return
    original = streamlit_logger.get_logger
    streamlit_logger.setup_formatter = _route
    streamlit_logger.get_logger = lambda name: logging.getLogger(name) if _is_server(name) else original(name)
    for logger in streamlit_logger._loggers.values():
        _route(logger)
        if _is_server(logger.name):
            logger.setLevel(logging.NOTSET)


def _is_server(name: str) -> bool:
    return name.partition(".")[0] in _SERVERS


def _route(logger: logging.Logger) -> None:
    handler = getattr(logger, _HANDLER, None)
    for each in list(logger.handlers):
        if each is handler or (handler is None and type(each) is logging.StreamHandler):
            logger.removeHandler(each)
    logger.propagate = not logger.handlers
