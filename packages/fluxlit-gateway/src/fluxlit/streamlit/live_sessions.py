# ruff: noqa: SLF001
"""The Runtime's sessions: reports, users, running scripts, reruns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fluxlit.streamlit.feature import Feature, When

if TYPE_CHECKING:
    from streamlit.runtime import Runtime

_RUNTIME = "streamlit.runtime.runtime:Runtime"
_MANAGER = "streamlit.runtime.websocket_session_manager:WebsocketSessionManager"
_SESSION = "streamlit.runtime.app_session:AppSession"

SESSION_REPORTS = Feature(
    "reports of sessions",
    off="The gateway does not know how many sessions are open, nor which worker has which: with several workers, a "
    "tab of a browser that refuses cookies may begin anew when it connects again.",
    names=(
        f"{_RUNTIME}._session_mgr",
        f"{_MANAGER}.connect_session",
        f"{_MANAGER}.disconnect_session",
        f"{_MANAGER}.close_session",
    ),
)

DRAIN = Feature(
    "the end of runs before a worker is replaced",
    off="A worker that is replaced does not wait for the runs of its pages: they are cut off.",
    names=(
        f"{_RUNTIME}._session_mgr",
        f"{_MANAGER}.list_active_sessions",
        f"{_SESSION}._state",
        "streamlit.runtime.app_session:AppSessionState.APP_IS_RUNNING",
    ),
)

RERUN = Feature(
    "reruns of open pages",
    off="After a change of the code, open pages show it at their next run.",
    names=(
        f"{_RUNTIME}._session_mgr",
        f"{_RUNTIME}._script_cache",
        "streamlit.runtime.scriptrunner.script_cache:ScriptCache.clear",
        f"{_MANAGER}.list_active_sessions",
        f"{_SESSION}._client_state",
        f"{_SESSION}.request_rerun",
    ),
    used=(When.DEVELOPMENT,),
)


def _takes_user_info() -> None:
    from streamlit.runtime import Runtime  # noqa: PLC0415

    parameters = list(inspect.signature(Runtime.connect_session).parameters)
    if parameters[:3] != ["self", "client", "user_info"]:
        raise TypeError("connect_session takes other arguments")


IDENTITY = Feature(
    "users of sessions",
    off="Pages would not know their users.",
    names=(f"{_RUNTIME}._session_mgr", f"{_RUNTIME}.connect_session", f"{_MANAGER}.get_active_session_info"),
    used=(When.LOGIN,),
    required=(When.LOGIN,),
    probe=_takes_user_info,
)


def report_sessions(runtime: Runtime, report: Callable[[str, str], None]) -> None:
    """Report every session that is opened, left by its browser or closed.

    `report` gets ``opened``, ``left`` or ``closed`` and the session id, on Streamlit's event loop. A session is opened
    again when its browser comes back. It may be forgotten after its browser has left without any report. Streamlit has
    no public hook; its session manager is asked by the runtime alone, so its methods are wrapped in place.
    """
    SESSION_REPORTS.attempt(lambda: _wrap_manager(runtime, report), None)


def _wrap_manager(runtime: Runtime, report: Callable[[str, str], None]) -> None:
    manager: Any = runtime._session_mgr
    connect, disconnect, close = manager.connect_session, manager.disconnect_session, manager.close_session

    def connect_session(*args: Any, **kwargs: Any) -> str:
        session: str = connect(*args, **kwargs)
        report("opened", session)
        return session

    def disconnect_session(session_id: str) -> None:
        disconnect(session_id)
        report("left", session_id)

    def close_session(session_id: str) -> None:
        close(session_id)
        report("closed", session_id)

    manager.connect_session = connect_session
    manager.disconnect_session = disconnect_session
    manager.close_session = close_session


def identify_sessions(
    runtime: Runtime, facts: Callable[[], Mapping[str, Any]], arrived: Callable[[str, Any], None]
) -> None:
    """Give each session its user. Required with a login, so never off.

    Args:
        runtime: Streamlit's.
        facts: called in the task of a WebSocket's handshake; what `st.user` has beside Streamlit's own.
        arrived: called in the same task with the session's id and Streamlit's object for it.
    """
    manager: Any = runtime._session_mgr
    connect: Any = runtime.connect_session

    def connect_session(client: Any, user_info: Mapping[str, Any], *args: Any, **options: Any) -> str:
        session_id: str = connect(client, {**user_info, **facts()}, *args, **options)
        arrived(session_id, manager.get_active_session_info(session_id).session)
        return session_id

    changed: Any = runtime
    changed.connect_session = connect_session


def running_scripts(runtime: Runtime) -> int:
    """How many sessions run a script now; 0 while that is off."""

    def count() -> int:
        sessions = runtime._session_mgr.list_active_sessions()
        return sum(info.session._state.value == "APP_IS_RUNNING" for info in sessions)

    return DRAIN.attempt(count, 0)


def rerun_sessions(runtime: Runtime) -> int:
    """Have every open page run again. To be called on the event loop.

    Returns:
        The number of sessions; 0 while that is off.
    """

    def rerun() -> int:
        runtime._script_cache.clear()
        sessions = runtime._session_mgr.list_active_sessions()
        for info in sessions:
            info.session.request_rerun(info.session._client_state)
        return len(sessions)

    return RERUN.attempt(rerun, 0)
