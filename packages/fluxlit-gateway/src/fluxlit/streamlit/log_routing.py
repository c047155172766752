# ruff: noqa: PLC0415, SLF001
"""Streamlit's log records go where those of other libraries go."""

from __future__ import annotations

import logging

from fluxlit.streamlit.feature import Feature

LOG_ROUTING = Feature(
    "routing of log records",
    off="Streamlit writes its log lines to the worker's stderr in its own form, and they appear as lines of output.",
    names=("streamlit.logger:setup_formatter", "streamlit.logger:_loggers"),
)

_HANDLER = "streamlit_console_handler"


def route_logs() -> None:
    """Pass the records of Streamlit's loggers up.

    Streamlit gives every logger a handler of its own and stops propagation, for ``uvicorn`` too. Handlers of others
    stay.
    """
    LOG_ROUTING.attempt(_route_all, None)


def _route_all() -> None:
    from streamlit import logger as streamlit_logger

    streamlit_logger.setup_formatter = _route
    for logger in streamlit_logger._loggers.values():
        _route(logger)


def _route(logger: logging.Logger) -> None:
    handler = getattr(logger, _HANDLER, None)
    for each in list(logger.handlers):
        if each is handler or (handler is None and type(each) is logging.StreamHandler):
            logger.removeHandler(each)
    logger.propagate = not logger.handlers
