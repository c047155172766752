# ruff: noqa: PLC0415, SLF001
"""Features by which sessions come back, and the private names they use.

Importing this module does not import Streamlit.
"""

from __future__ import annotations

import dataclasses

from fluxlit.streamlit.feature import Feature, When
from fluxlit.streamlit.messages import ask_for_run, no_toast, session_id_fields, stop_asking
from fluxlit.streamlit.reloaded_session import sending_state
from fluxlit.streamlit.session_content import read_state, stand_in, write_state
from fluxlit.streamlit.session_runs import RUN_ENDS

_STATE = "streamlit.runtime.state.session_state"

_SESSION = "streamlit.runtime.app_session:AppSession"

_MANAGER = "streamlit.runtime.websocket_session_manager:WebsocketSessionManager"

_PAGES = "streamlit.runtime.pages_manager:PagesManager"

_RUNTIME = "streamlit.runtime.runtime:Runtime"

_CLIENT = "streamlit.web.server.starlette.starlette_websocket:StarletteSessionClient"

_DEFERRED = "streamlit.runtime.media_file_manager:MediaFileManager._deferred_ids_by_session"

_LOGOUT = f"{_MANAGER}.mark_session_nonresumable"


def _probe() -> None:
    """Carry a session from one state to another, without a server."""
    import inspect

    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.runtime.state import SessionState
    from streamlit.runtime.state.common import RegisterWidgetResult
    from streamlit.runtime.websocket_session_manager import WebsocketSessionManager

    wanted = {"client", "script_data", "user_info", "existing_session_id", "session_id_override"}
    if not wanted <= inspect.signature(WebsocketSessionManager.connect_session).parameters.keys():
        raise TypeError("connect_session takes other arguments")
    source, target = SessionState(), SessionState()
    source._new_session_state["key"] = 1
    element = "$$ID-0-slider"
    source._key_id_mapper["slider"] = element
    source._new_widget_state.set_widget_metadata(stand_in(element, "int_value"))
    source._new_widget_state.set_from_value(element, 5)
    content = read_state(source, page="p", sent="")
    write_state(target, content)
    if (target["key"], target["slider"], content.values) != (1, 5, {element: ("int_value", 5)}):
        raise ValueError("a session does not come out as it went in")
    target.__class__ = sending_state()
    if list(inspect.signature(SessionState.register_widget).parameters) != ["self", "metadata", "user_key"]:
        raise TypeError("register_widget takes other arguments")
    dataclasses.replace(RegisterWidgetResult(0, value_changed=False), value_changed=True)
    BackMsg().rerun_script.widget_states.widgets.add(id=element, int_value=5)
    session_id_fields()
    for message in (ask_for_run(), stop_asking(), no_toast()):
        message.SerializeToString()


RESTORE = Feature(
    "restoring of sessions",
    off="Sessions of pages do not come back on another worker or replica, nor when a tab is loaded again. Everything "
    "else works. To silence this, set restore_sessions to false.",
    names=(
        *(f"{_RUNTIME}.{name}" for name in ("_session_mgr", "media_file_mgr", "dataframe_source_mgr")),
        *(
            f"{_MANAGER}.{name}"
            for name in (
                "close_session",
                "connect_session",
                "disconnect_session",
                "get_active_session_info",
                "get_session_info",
                "list_active_sessions",
            )
        ),
        *(
            f"{_SESSION}.{name}"
            for name in (
                "_client_state",
                "_enqueue_forward_msg",
                "_on_scriptrunner_event",
                "_pages_manager",
                "_scriptrunner",
                "_session_state",
                "_state",
                "_uploaded_file_mgr",
                "handle_backmsg",
                "request_rerun",
            )
        ),
        *(f"{_PAGES}.{name}" for name in ("current_page_script_hash", "get_pages", "set_current_page_script_hash")),
        *(
            f"{_STATE}:SessionState.{name}"
            for name in (
                "_getitem",
                "_key_id_mapper",
                "_new_session_state",
                "_new_widget_state",
                "_old_state",
                "_persist_tracker",
                "_query_param_bound_widget_ids",
                "clear",
                "register_widget",
            )
        ),
        f"{_STATE}:KeyIdMapper._key_id_mapping",
        *(
            f"{_STATE}:PersistedWidgetTracker.{name}"
            for name in ("_pending_resets", "_scopes", "_value_pages", "_widget_pages")
        ),
        *(
            f"{_STATE}:WStates.{name}"
            for name in ("get_serialized", "set_from_value", "set_widget_metadata", "states", "widget_metadata")
        ),
        *(f"streamlit.runtime.scriptrunner:ScriptRunnerEvent.{name}" for name in sorted(RUN_ENDS)),
        "streamlit.runtime.app_session:AppSessionState.SHUTDOWN_REQUESTED",
        "streamlit.runtime.dataframe_source_manager:DataframeSourceManager._sources_by_session_and_coord",
        "streamlit.runtime.media_file_manager:MediaFileManager._files_by_session_and_coord",
        "streamlit.runtime.state.session_state:SCRIPT_RUN_WITHOUT_ERRORS_KEY",
        "streamlit.runtime.state.common:RegisterWidgetResult",
        "streamlit.runtime.state.common:WidgetMetadata",
        f"{_CLIENT}._websocket",
        f"{_CLIENT}.write_forward_msg",
        _DEFERRED,
    ),
    since={_DEFERRED: "1.66"},
    used=(When.RESTORE,),
    probe=_probe,
)


LOGOUT = Feature(
    "logouts by st.logout",
    off="The copy of a session that st.logout ends is kept until it expires. Its own user alone can get it back.",
    names=(_LOGOUT,),
    since={_LOGOUT: "1.67"},
    used=(When.RESTORE,),
)
