# ruff: noqa: PLC0415, SLF001
"""A reloaded page gets the values of its widgets.

Importing this module does not import Streamlit.
"""

from __future__ import annotations

import dataclasses
import functools
import weakref
from collections.abc import Mapping
from typing import Any

from fluxlit.streamlit.messages import NOT_CARRIED
from fluxlit.streamlit.session_content import SessionContent, path_of
from fluxlit.streamlit.session_manager import attach, attached

_UNSENDABLE = frozenset({"json_value", "bytes_value", "arrow_value"})
"""Kinds of values that only the browser can begin with: those of components and of tables."""

_sending: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
"""Sessions that send the values of widgets in their next run, by the identity of their state."""


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
        if not _can_be_sent(metadata.value_type, _value_of(state, element)):
            state._old_state.pop(element, None)
            state._new_widget_state.states.pop(element, None)
    wires = [WidgetState.FromString(wire) for wire in ({} if content is None else content.wires).values()]
    attach(session, "forgotten", (content, [wire for wire in wires if _is_simple(wire)]))
    attach(session, "known", frozenset())
    _sending[id(state)] = session
    state.__class__ = sending_state()


@functools.cache
def sending_state() -> type[Any]:
    """Streamlit's state with one method changed.

    Its objects take no attributes, so the method is the class's.
    """
    from streamlit.runtime.state import SessionState

    class SendingState(SessionState):
        __slots__ = ()

        def register_widget(self, metadata: Any, user_key: str | None) -> Any:
            result = SessionState.register_widget(self, metadata, user_key)
            session = _sending.get(id(self))
            if session is None or session._session_state is not self:
                return result
            if metadata.id in attached(session, "known") or not _can_be_sent(metadata.value_type, result.value):
                return result
            return dataclasses.replace(result, value_changed=True)

    return SendingState


def stop_sending(session: Any) -> None:
    """Let further runs send no values."""
    _sending.pop(id(session._session_state), None)


def complete(session: Any, message: Any) -> None:
    """Note the widgets that a browser knows, and add those it has forgotten."""
    request = message.rerun_script
    known = frozenset(state.id for state in request.widget_states.widgets)
    attach(session, "known", known)
    forgotten = attached(session, "forgotten")
    if forgotten is None:
        return
    attach(session, "forgotten", None)
    content, wires = forgotten
    path = path_of(session) if content is None else content.path
    if request.page_name == path and not request.page_script_hash:
        # A page that is named by its path alone counts as another one than before, and would lose its widgets.
        request.page_script_hash = session._pages_manager.current_page_script_hash
        request.widget_states.widgets.extend(wire for wire in wires if wire.id not in known)


def _value_of(state: Any, element: str) -> Any:
    try:
        return state._getitem(element, None)
    except KeyError:
        return None


def _can_be_sent(kind: str, value: Any) -> bool:
    return kind not in NOT_CARRIED | _UNSENDABLE and not isinstance(value, Mapping)


def _is_simple(wire: Any) -> bool:
    kind = wire.WhichOneof("value")
    return kind not in NOT_CARRIED | _UNSENDABLE and not (kind == "string_value" and wire.string_value[:1] == "{")
