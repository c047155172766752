# ruff: noqa: SLF001
"""Streamlit's manager of sessions, and values of ours in what it holds.

Importing this module does not import Streamlit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any


def manager_of(runtime: Any) -> Any:
    """The manager of a runtime's sessions."""
    return runtime._session_mgr


def live_session(manager: Any, session_id: str) -> Any:
    """The session with this id in this process, `None` if there is none."""
    info = manager.get_session_info(session_id)
    return None if info is None else info.session


def client_of(manager: Any, session_id: str) -> Any:
    """The connection of a session, `None` without a browser."""
    info = manager.get_active_session_info(session_id)
    return None if info is None else info.client


def sessions_of(manager: Any) -> Iterable[Any]:
    """All sessions that have a browser."""
    return [info.session for info in manager.list_active_sessions()]


def hear_logouts(manager: Any, logged_out: Callable[[str], None]) -> None:
    """Report each session that `st.logout` ends, in its script's thread.

    Older releases let the same user resume such a session, and have nothing to be heard.
    """
    if not hasattr(manager, "mark_session_nonresumable"):
        return
    log_out = manager.mark_session_nonresumable

    def mark_session_nonresumable(session_id: str) -> None:
        logged_out(session_id)
        log_out(session_id)

    manager.mark_session_nonresumable = mark_session_nonresumable


def has_been_sent(client: Any) -> bool:
    """Whether nothing waits to be sent to a browser, as far as is known."""
    queue = getattr(client, "_send_queue", None)
    return queue is None or queue.empty()


async def close_client(client: Any, code: int) -> None:
    """Close a browser's WebSocket: it connects again by itself."""
    with contextlib.suppress(Exception):  # it may be closed already
        await client._websocket.close(code)


def attach(owner: Any, name: str, value: Any) -> None:
    """Store a value of ours in a session or a connection."""
    owner.__dict__[f"_fluxlit_{name}"] = value


def attached(owner: Any, name: str) -> Any:
    """What `attach` has given, `None` if nothing."""
    return owner.__dict__.get(f"_fluxlit_{name}")
