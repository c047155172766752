# ruff: noqa: PLC0415, SLF001
"""Reading the content of a Streamlit session, and filling a new one.

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

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fluxlit.streamlit.messages import NOT_CARRIED, UPLOADS
from fluxlit.streamlit.session_manager import attached

OWN = ("_fluxlit", "$$STREAMLIT_INTERNAL")
"""Start of keys that are not the application's."""

UPLOADS_STAY = "uploaded files stay in the process that has received them"
"""Why a file uploader is empty in a session that came back. A page meets an empty one in every new session too."""

_PLAIN = (bool, int, float, str, type(None), dt.date, dt.time, dt.datetime, dt.timedelta)


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


def read(session: Any) -> SessionContent:
    """Read a session, in the thread of its script after its end."""
    page, sent = session._pages_manager.current_page_script_hash, attached(session, "sent") or ""
    content = read_state(session._session_state, page, sent)
    return dataclasses.replace(content, serves=_serves(session.id), path=path_of(session))


def path_of(session: Any) -> str:
    """Where the page of a session is in the URL."""
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
    write_state(session._session_state, content)
    session._session_state._old_state.update(notes)
    session._pages_manager.set_current_page_script_hash(content.page)
    session._client_state.page_script_hash = content.page


def read_state(state: Any, page: str, sent: str) -> SessionContent:
    """Read what a state holds; `page` and `sent` as in the content."""
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


def write_state(state: Any, content: SessionContent) -> None:
    """Fill a state that no run has used."""
    state._old_state.update(content.state)
    for key, element in content.keys.items():
        state._key_id_mapper[key] = element
    for element, (kind, value) in content.values.items():
        state._new_widget_state.set_widget_metadata(stand_in(element, kind))
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


def stand_in(element: str, kind: str) -> Any:
    """Metadata of a widget that the page has not shown yet."""
    from streamlit.runtime.state.common import WidgetMetadata

    return WidgetMetadata(id=element, deserializer=_unknown, serializer=_unknown, value_type=kind)  # type: ignore[arg-type]


def knows_widgets(session: Any, message: Any) -> bool:
    """Whether a restored session has shown all widgets of a message."""
    return has_widgets(session, (state.id for state in message.rerun_script.widget_states.widgets))


def has_widgets(session: Any, elements: Iterable[str]) -> bool:
    """Whether a restored session has shown all these widgets."""
    metadata = session._session_state._new_widget_state.widget_metadata
    return all(element in metadata and metadata[element].deserializer is not _unknown for element in elements)


def empty(session: Any) -> None:
    """Empty a session's state, in the thread of its script."""
    session._session_state.clear()
