# ruff: noqa: PLC0415, SLF001
"""Limits of what a browser may ask by messages over its WebSocket.

Streamlit takes messages of its developer menu from every browser, shown or not: one empties the caches of all users,
another reads the repository with Git on the event loop, 30 ms each, and sends the names of changed files. And it makes
as many addresses for uploads as one message asks for: half a megabyte costs seconds. For a message that it does not
understand, 6 bytes with its frame, it writes a line into the log.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from fluxlit.streamlit.feature import Feature
from fluxlit.streamlit.session_manager import attach, attached

if TYPE_CHECKING:
    from streamlit.runtime import Runtime

_SESSION = "streamlit.runtime.app_session:AppSession"
DEVELOPER = ("_handle_git_information_request", "_handle_clear_cache_request", "_handle_set_run_on_save_request")

MESSAGES = Feature(
    "limits of messages",
    off="A browser can empty the caches of all users, and keep a worker busy with messages that cost much.",
    names=(
        *(f"{_SESSION}.{name}" for name in DEVELOPER),
        "streamlit.runtime.runtime:Runtime._session_mgr",
        "streamlit.runtime.runtime:Runtime._uploaded_file_mgr",
        "streamlit.runtime.websocket_session_manager:WebsocketSessionManager.get_session_info",
        "streamlit.runtime.memory_uploaded_file_manager:MemoryUploadedFileManager.get_upload_urls",
    ),
)

FILES = 10_000
"""Addresses for uploads that a session may ask for within `WINDOW_S`; more than its budget of uploads has room for."""

LINES = 20
"""Lines of one kind that Streamlit may log about messages within `WINDOW_S`, for all sessions together."""

WINDOW_S = 60.0


def limit_messages(runtime: Runtime, *, development: bool) -> Callable[[], None]:
    """Limit the messages of all sessions of a runtime.

    Args:
        runtime: Streamlit's.
        development: the developer menu is shown.

    Returns:
        Ends that.
    """
    return MESSAGES.attempt(lambda: _limit(runtime, development=development), lambda: None)


def _limit(runtime: Runtime, *, development: bool) -> Callable[[], None]:
    from streamlit.runtime.app_session import AppSession

    undo = ExitStack()
    logger, few = logging.getLogger(AppSession.__module__), _FewLines()
    logger.addFilter(few)
    undo.callback(logger.removeFilter, few)
    session_class: Any = AppSession
    if not development:
        for name in DEVELOPER:
            undo.callback(setattr, session_class, name, getattr(session_class, name))
            setattr(session_class, name, _ignore)
    manager: Any = runtime._uploaded_file_mgr
    make = manager.get_upload_urls

    def get_upload_urls(session_id: str, file_names: Sequence[str]) -> Any:
        info = runtime._session_mgr.get_session_info(session_id)
        left = _take(info.session, len(file_names)) if info is not None else 0
        return make(session_id, file_names[:left])

    manager.get_upload_urls = get_upload_urls
    return undo.close


class _FewLines(logging.Filter):
    """Passes a limited number of warnings and errors of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self._window = 0
        self._passed: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is logged."""
        window = int(time.monotonic() // WINDOW_S)
        if window != self._window:
            self._window, self._passed = window, Counter()
        if record.levelno >= logging.WARNING:
            self._passed[str(record.msg)] += 1
        return self._passed[str(record.msg)] <= LINES


def _ignore(*_: object) -> None:
    """Do nothing for a message of the developer menu, which is not shown."""


def _take(session: Any, wanted: int) -> int:
    """How many addresses a session gets now, of those that it asks for."""
    window = int(time.monotonic() // WINDOW_S)
    since, taken = attached(session, "upload_addresses") or (window, 0)
    if since != window:
        taken = 0
    given = min(wanted, FILES - taken)
    attach(session, "upload_addresses", (window, taken + given))
    return given
