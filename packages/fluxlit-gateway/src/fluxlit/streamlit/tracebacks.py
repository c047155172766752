# ruff: noqa: PLC0415, SLF001
"""Errors of pages in the browser: the user's frames, or the request's id."""

from __future__ import annotations

from collections.abc import Callable
from traceback import FrameSummary, StackSummary
from typing import Any

from fluxlit._internal.tracebacks import is_framework
from fluxlit.observability.current_request import REQUEST_FIELD
from fluxlit.streamlit.feature import Feature, When
from fluxlit.streamlit.script_run import handshake

TRACEBACKS = Feature(
    "tracebacks that begin with the user's code",
    off="An error in a page is shown below frames of FluxLit.",
    names=("streamlit.elements.exception:_drop_streamlit_frames",),
    used=(When.DEVELOPMENT,),
)

WITHOUT_DETAILS = Feature(
    "errors that name the request instead of details",
    off="An error in a page refers to the logs of Streamlit's cloud.",
    names=(
        "streamlit.elements.exception:marshall",
        "streamlit.elements.exception:_GENERIC_UNCAUGHT_EXCEPTION_TEXT",
    ),
)


def hide_own_frames() -> None:
    """Leave frames of frameworks out of the tracebacks that pages show.

    Streamlit leaves out its own only.
    """
    TRACEBACKS.attempt(_hide, None)


def _hide() -> None:
    from streamlit.elements import exception

    drop = exception._drop_streamlit_frames

    def drop_frameworks(extracted_tb: StackSummary) -> list[FrameSummary]:
        return [frame for frame in drop(extracted_tb) if not is_framework(frame.filename)]

    if drop.__module__ != __name__:  # the embedded backend may start twice
        exception._drop_streamlit_frames = drop_frameworks


def name_requests() -> Callable[[], None]:
    """Name the request where an error is shown without its details.

    The log line with the error has the same id. Streamlit refers to the logs of its cloud instead.

    Returns:
        Ends that.
    """
    return WITHOUT_DETAILS.attempt(_name, lambda: None)


def _name() -> Callable[[], None]:
    from streamlit.elements import exception

    marshall = exception.marshall

    def named(exception_proto: Any, *args: Any, **kwargs: Any) -> None:
        marshall(exception_proto, *args, **kwargs)
        if exception_proto.message == exception._GENERIC_UNCAUGHT_EXCEPTION_TEXT:
            exception_proto.message = text_without_details(next(iter(handshake(REQUEST_FIELD)), ""))

    exception.marshall = named
    return lambda: setattr(exception, "marshall", marshall)


def text_without_details(request_id: str) -> str:
    """Return what visitors read about an error of a page."""
    where = f", under request {request_id}" if request_id else ""
    return f"An error occurred on this page. The details are in the application's log{where}."
