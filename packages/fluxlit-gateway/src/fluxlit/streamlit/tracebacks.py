# ruff: noqa: PLC0415, SLF001
"""Tracebacks in the browser that show the user's frames only."""

from __future__ import annotations

from traceback import FrameSummary, StackSummary

from fluxlit._internal.tracebacks import is_framework
from fluxlit.streamlit.feature import Feature, When

TRACEBACKS = Feature(
    "tracebacks that begin with the user's code",
    off="An error in a page is shown below frames of FluxLit.",
    names=("streamlit.elements.exception:_drop_streamlit_frames",),
    used=(When.DEVELOPMENT,),
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
