# ruff: noqa: PLC0415, SLF001
"""Copies of Streamlit's sessions: reading one, and making one anew.

Importing this module does not import Streamlit.

What a session is, as far as it can be carried: the keys of ``st.session_state`` (values that user code has set), the
values of widgets by element id, which user key belongs to which element id, and what ``persist_state`` remembers.
Not carried: what a trigger said (a button is pressed once), uploaded files (they are in the memory of one process),
callbacks and everything else that is code. Code comes back by running the page.

A widget's value is carried as it is where it is plain data, else in the form in which the browser sends it. Until the
page has run, a restored widget has a stand-in for its metadata, under which Streamlit neither drops the value as that
of an unknown widget nor reads what the browser sends before it knows how.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fluxlit.streamlit.feature import Feature, When
from fluxlit.streamlit.messages import (
    NOT_CARRIED,
    UPLOADS,
    ask_for_run,
    is_answer,
    is_run_request,
    mark_states,
    no_toast,
    session_id_fields,
    stop_asking,
)

OWN = ("_fluxlit", "$$STREAMLIT_INTERNAL")
"""Start of keys that are not the application's."""

UPLOADS_STAY = "uploaded files stay in the process that has received them"
"""Why a file uploader is empty in a session that came back. A page meets an empty one in every new session too."""

_UNTELLABLE = frozenset({"json_value", "bytes_value", "arrow_value"})
"""Kinds of values that only the browser can begin with: those of components and of tables."""

_PLAIN = (bool, int, float, str, type(None), dt.date, dt.time, dt.datetime, dt.timedelta)
_RUN_ENDS = frozenset(
    {"SCRIPT_STOPPED_WITH_SUCCESS", "FRAGMENT_STOPPED_WITH_SUCCESS", "SCRIPT_STOPPED_WITH_COMPILE_ERROR"}
)


@dataclass(frozen=True, slots=True)
class SessionContent:
    """What a session holds.

    Attributes:
        state: keys that user code has set, with their values.
        page: hash of the page that it shows.
        path: of the same page, in the URL.
        keys: user key of a widget -> its element id.
        values: element id -> what kind of value it has on the wire, and the value, plain data.
        wires: element id -> the value as the browser sends it, for those that are not plain data.
        memory: what `persist_state` and widgets bound to the URL remember.
        sent: mark of the widget values that the browser has sent last.
        serves: the browser may fetch files or rows from the process of this session: images, downloads, large tables.
        lost: what is not carried, and why.
        notes: keys of FluxLit in its state. They are not carried.
    """

    state: Mapping[str, Any]
    page: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    wires: Mapping[str, bytes] = field(default_factory=dict)
    memory: Mapping[str, Any] = field(default_factory=dict)
    sent: str = ""
    serves: bool = False
    path: str = ""
    lost: Mapping[str, str] = field(default_factory=dict)
    notes: frozenset[str] = frozenset()


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
    source._new_widget_state.set_widget_metadata(_stand_in(element, "int_value"))
    source._new_widget_state.set_from_value(element, 5)
    content = _read(source, page="p", sent="")
    _write(target, content)
    if (target["key"], target["slider"], content.values) != (1, 5, {element: ("int_value", 5)}):
        raise ValueError("a session does not come out as it went in")
    target.__class__ = _telling_state()
    if list(inspect.signature(SessionState.register_widget).parameters) != ["self", "metadata", "user_key"]:
        raise TypeError("register_widget takes other arguments")
    dataclasses.replace(RegisterWidgetResult(0, value_changed=False), value_changed=True)
    BackMsg().rerun_script.widget_states.widgets.add(id=element, int_value=5)
    session_id_fields()
    for message in (ask_for_run(), stop_asking(), no_toast()):
        message.SerializeToString()


_STATE = "streamlit.runtime.state.session_state"
_SESSION = "streamlit.runtime.app_session:AppSession"
_MANAGER = "streamlit.runtime.websocket_session_manager:WebsocketSessionManager"
_PAGES = "streamlit.runtime.pages_manager:PagesManager"
_RUNTIME = "streamlit.runtime.runtime:Runtime"
_CLIENT = "streamlit.web.server.starlette.starlette_websocket:StarletteSessionClient"
_DEFERRED = "streamlit.runtime.media_file_manager:MediaFileManager._deferred_ids_by_session"
_LOGOUT = f"{_MANAGER}.mark_session_nonresumable"

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
        *(f"streamlit.runtime.scriptrunner:ScriptRunnerEvent.{name}" for name in sorted(_RUN_ENDS)),
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


# --- one session


def read(session: Any) -> SessionContent:
    """Read a session, in the thread of its script after its end."""
    content = _read(session._session_state, session._pages_manager.current_page_script_hash, user_mark(session))
    return dataclasses.replace(content, serves=_serves(session.id), path=_path_of(session))


def _path_of(session: Any) -> str:
    manager = session._pages_manager
    path: str = manager.get_pages().get(manager.current_page_script_hash, {}).get("url_pathname", "")
    return path


def _serves(session_id: str) -> bool:
    from streamlit.runtime import Runtime

    runtime: Any = Runtime.instance()
    tables = getattr(runtime, "dataframe_source_mgr", None)  # older releases send whole tables
    return bool(
        runtime.media_file_mgr._files_by_session_and_coord.get(session_id)
        or getattr(runtime.media_file_mgr, "_deferred_ids_by_session", {}).get(session_id)
        or (tables is not None and tables._sources_by_session_and_coord.get(session_id))
    )


def write(session: Any, content: SessionContent, notes: Mapping[str, Any]) -> None:
    """Fill a session that has not run yet, with more keys of ours."""
    _write(session._session_state, content)
    session._session_state._old_state.update(notes)
    session._pages_manager.set_current_page_script_hash(content.page)
    session._client_state.page_script_hash = content.page


def _read(state: Any, page: str, sent: str) -> SessionContent:
    old, new, widgets = dict(state._old_state), dict(state._new_session_state), state._new_widget_state
    keys = dict(state._key_id_mapper._key_id_mapping)
    own = {
        key: value
        for key, value in {**old, **new}.items()
        if not _is_element(key) and not key.startswith(OWN) and (key not in keys or key in old)
    }
    key_of = {element: key for key, element in keys.items()}
    values: dict[str, tuple[str, Any]] = {}
    wires: dict[str, bytes] = {}
    lost: dict[str, str] = {}
    elements = [*filter(_is_element, old), *dict(widgets.states), *(keys[key] for key in new if key in keys)]
    for element in dict.fromkeys(elements):
        metadata = widgets.widget_metadata.get(element)
        if metadata is None:
            continue
        key = key_of.get(element)
        try:
            value = new[key] if key in new else state._getitem(element, key)
        except KeyError:
            continue
        if metadata.value_type in NOT_CARRIED:
            if metadata.value_type == UPLOADS and value:
                lost[key or "file uploader"] = UPLOADS_STAY
        elif _is_plain(value):
            values[element] = (metadata.value_type, value)
        elif (wire := widgets.get_serialized(element) or _wire_of(metadata, value)) is not None:
            wires[element] = wire.SerializeToString()
    notes = frozenset(key for key in (*old, *new) if key.startswith(OWN))
    return SessionContent(own, page, keys, values, wires, _memory_of(state), sent, lost=lost, notes=notes)


def _wire_of(metadata: Any, value: Any) -> Any:
    """A value in the form in which a browser sends it."""
    from streamlit.runtime.state.session_state import WStates

    states = WStates()
    states.set_widget_metadata(metadata)
    states.set_from_value(metadata.id, value)
    return states.get_serialized(metadata.id)


def _write(state: Any, content: SessionContent) -> None:
    state._old_state.update(content.state)
    for key, element in content.keys.items():
        state._key_id_mapper[key] = element
    for element, (kind, value) in content.values.items():
        state._new_widget_state.set_widget_metadata(_stand_in(element, kind))
        state._old_state[element] = value
    tracker, memory = state._persist_tracker, content.memory
    tracker._scopes.update(memory.get("scopes", {}))
    tracker._widget_pages.update(memory.get("widget_pages", {}))
    tracker._value_pages.update(memory.get("value_pages", {}))
    tracker._pending_resets.update(memory.get("pending_resets", ()))
    state._query_param_bound_widget_ids.update(memory.get("bound", ()))


def _memory_of(state: Any) -> dict[str, Any]:
    tracker = state._persist_tracker
    memory = {
        "scopes": dict(tracker._scopes),
        "widget_pages": dict(tracker._widget_pages),
        "value_pages": dict(tracker._value_pages),
        "pending_resets": sorted(tracker._pending_resets),
        "bound": sorted(state._query_param_bound_widget_ids),
    }
    return {name: value for name, value in memory.items() if value}


def _is_element(key: str) -> bool:
    return key.startswith("$$ID")


def _is_plain(value: Any) -> bool:
    if type(value) in (list, tuple):
        return all(type(item) in _PLAIN for item in value)
    return type(value) in _PLAIN


def _unknown(value: Any) -> Any:
    # What Streamlit itself raises for a value of a widget that has not been on the page yet.
    raise KeyError(value)


def _stand_in(element: str, kind: str) -> Any:
    from streamlit.runtime.state.common import WidgetMetadata

    return WidgetMetadata(id=element, deserializer=_unknown, serializer=_unknown, value_type=kind)  # type: ignore[arg-type]


# --- messages


def user_mark(session: Any) -> str:
    """Mark of the widget values that the browser has sent last, or empty."""
    return attached(session, "sent") or ""


def drop_missing_uploads(session: Any, message: Any) -> None:
    """Take files that this process does not have out of a message.

    A page would take them for deleted ones.
    """
    for state in message.rerun_script.widget_states.widgets:
        if state.WhichOneof("value") != UPLOADS:
            continue
        files = state.file_uploader_state_value.uploaded_file_info
        known = {
            found.file_id
            for found in session._uploaded_file_mgr.get_files(session.id, [info.file_id for info in files])
        }
        kept = [info for info in files if info.file_id in known]
        if len(kept) < len(files):
            copies = [type(info).FromString(info.SerializeToString()) for info in kept]
            del files[:]
            files.extend(copies)


# --- the life of a session


def watch(session: Any, run_ended: Callable[[Any], None]) -> None:
    """Call `run_ended` with the session after each run.

    It is called in the thread of the script, before the end of the run is sent to the browser. Also notes what the
    browser sends. The session must have no run yet. Nothing here keeps it alive.
    """
    kind, weak = type(session), weakref.ref(session)

    def on_event(sender: Any, event: Any, **details: Any) -> None:
        watched = weak()
        if watched is None:
            return
        if event.name in _RUN_ENDS and sender is watched._scriptrunner:
            run_ended(watched)
            if attached(watched, "warm_up") is None:
                _telling.pop(id(watched._session_state), None)
        kind._on_scriptrunner_event(watched, sender, event, **details)

    def handle_backmsg(message: Any) -> None:
        watched = weak()
        if watched is None:
            return
        if is_answer(message):
            return  # the browser has asked for a run by itself in the meantime
        if is_run_request(message):
            attach(watched, "request", message)
            if attached(watched, "restored"):  # its browser goes on naming files that the former process has had
                drop_missing_uploads(watched, message)
            attach(watched, "sent", mark_states(message))
            _complete(watched, message)
        kind.handle_backmsg(watched, message)

    session._on_scriptrunner_event = on_event
    session.handle_backmsg = handle_backmsg


def begin_again(session: Any, content: SessionContent | None = None) -> None:
    """Let the next run send the values of widgets to a reloaded page.

    Values that a page cannot send to a browser, such as rows that the user has edited in a table, are dropped:
    both sides begin with the page's own again.

    Args:
        session: Streamlit's; it does not run.
        content: what it was made from, if it was made anew.
    """
    from streamlit.proto.WidgetStates_pb2 import WidgetState

    state = session._session_state
    for element, metadata in dict(state._new_widget_state.widget_metadata).items():
        if not _can_be_told(metadata.value_type, _value_of(state, element)):
            state._old_state.pop(element, None)
            state._new_widget_state.states.pop(element, None)
    wires = [WidgetState.FromString(wire) for wire in ({} if content is None else content.wires).values()]
    attach(session, "forgotten", (content, [wire for wire in wires if _is_simple(wire)]))
    attach(session, "known", frozenset())
    _telling[id(state)] = session
    state.__class__ = _telling_state()


_telling: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
"""Sessions that send the values of widgets in their next run, by the identity of their state."""


@functools.cache
def _telling_state() -> type[Any]:
    """Streamlit's state with one method changed.

    Its objects take no attributes, so the method is the class's.
    """
    from streamlit.runtime.state import SessionState

    class Telling(SessionState):
        __slots__ = ()

        def register_widget(self, metadata: Any, user_key: str | None) -> Any:
            result = SessionState.register_widget(self, metadata, user_key)
            session = _telling.get(id(self))
            if session is None or session._session_state is not self:
                return result
            if metadata.id in attached(session, "known") or not _can_be_told(metadata.value_type, result.value):
                return result
            return dataclasses.replace(result, value_changed=True)

    return Telling


def _complete(session: Any, message: Any) -> None:
    """Note the widgets that a browser knows, and add those it has forgotten."""
    request = message.rerun_script
    known = frozenset(state.id for state in request.widget_states.widgets)
    attach(session, "known", known)
    forgotten = attached(session, "forgotten")
    if forgotten is None:
        return
    attach(session, "forgotten", None)
    content, wires = forgotten
    path = _path_of(session) if content is None else content.path
    if request.page_name == path and not request.page_script_hash:
        # A page that is named by its path alone counts as another one than before, and would lose its widgets.
        request.page_script_hash = session._pages_manager.current_page_script_hash
        request.widget_states.widgets.extend(wire for wire in wires if wire.id not in known)


def _value_of(state: Any, element: str) -> Any:
    try:
        return state._getitem(element, None)
    except KeyError:
        return None


def _can_be_told(kind: str, value: Any) -> bool:
    return kind not in NOT_CARRIED | _UNTELLABLE and not isinstance(value, Mapping)


def _is_simple(wire: Any) -> bool:
    kind = wire.WhichOneof("value")
    return kind not in NOT_CARRIED | _UNTELLABLE and not (kind == "string_value" and wire.string_value[:1] == "{")


@contextlib.contextmanager
def divert_messages(session: Any, handle: Callable[[Any], None]) -> Iterator[Callable[[Any], None]]:
    """Give what the browser sends to `handle`; yields what takes it otherwise."""
    usual = session.handle_backmsg
    session.handle_backmsg = handle
    try:
        yield usual
    finally:
        session.handle_backmsg = usual


@contextlib.contextmanager
def unseen(session: Any) -> Iterator[None]:
    """Let runs of a session show nothing in the browser."""
    session._enqueue_forward_msg = lambda _message: None
    try:
        yield
    finally:
        del session._enqueue_forward_msg


def run_as_before(session: Any, content: SessionContent, message: Any) -> None:
    """Start a run of the page as it was: with the old values of its widgets."""
    from streamlit.proto.ClientState_pb2 import ClientState
    from streamlit.proto.WidgetStates_pb2 import WidgetState

    request = message.rerun_script
    state = ClientState(query_string=request.query_string, page_script_hash=content.page)
    if request.HasField("context_info"):
        state.context_info.CopyFrom(request.context_info)
    state.widget_states.widgets.extend(WidgetState.FromString(wire) for wire in content.wires.values())
    session.request_rerun(state)


def is_running(session: Any) -> bool:
    """A script of the session runs, or is about to."""
    return session._scriptrunner is not None and session._state.value != "SHUTDOWN_REQUESTED"


def knows_widgets(session: Any, message: Any) -> bool:
    """Whether a restored session has shown all widgets of a message."""
    return has_widgets(session, (state.id for state in message.rerun_script.widget_states.widgets))


def has_widgets(session: Any, elements: Iterable[str]) -> bool:
    """Whether a restored session has shown all these widgets."""
    metadata = session._session_state._new_widget_state.widget_metadata
    return all(element in metadata and metadata[element].deserializer is not _unknown for element in elements)


def has_raised(session: Any) -> bool:
    """Whether the run that has just ended raised an exception."""
    from streamlit.runtime.state.session_state import SCRIPT_RUN_WITHOUT_ERRORS_KEY as KEY

    state = session._session_state
    return not state._new_session_state.get(KEY, state._old_state.get(KEY, True))


def empty(session: Any) -> None:
    """Empty a session's state, in the thread of its script."""
    session._session_state.clear()


def repeat_request(session: Any) -> None:
    """Repeat the last request of the browser, on the event loop."""
    message = attached(session, "request")
    if message is not None:
        session.handle_backmsg(message)


def attach(owner: Any, name: str, value: Any) -> None:
    """Store a value of ours in a session or a connection."""
    owner.__dict__[f"_fluxlit_{name}"] = value


def attached(owner: Any, name: str) -> Any:
    """What `attach` has given, `None` if nothing."""
    return owner.__dict__.get(f"_fluxlit_{name}")


# --- the manager of sessions


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


def sessions_of(manager: Any) -> Iterable[Any]:
    """All sessions that have a browser."""
    return [info.session for info in manager.list_active_sessions()]


def has_been_sent(client: Any) -> bool:
    """Whether nothing waits to be sent to a browser, as far as is known."""
    queue = getattr(client, "_send_queue", None)
    return queue is None or queue.empty()


async def close_client(client: Any, code: int) -> None:
    """Close a browser's WebSocket: it connects again by itself."""
    with contextlib.suppress(Exception):  # it may be closed already
        await client._websocket.close(code)
