"""Which parts of a session are carried."""

from __future__ import annotations

from typing import Any

from streamlit.runtime.state import SessionState
from streamlit.runtime.state.common import WidgetMetadata

from fluxlit.streamlit import session_content


def widget(state: SessionState, key: str, kind: Any, value: Any) -> str:
    element = f"$$ID-0-{key}"
    state._key_id_mapper[key] = element
    metadata = WidgetMetadata(id=element, deserializer=lambda got: got, serializer=str, value_type=kind)
    state._new_widget_state.set_widget_metadata(metadata)
    state._new_widget_state.set_from_value(element, value)
    return element


def test_triggers_and_uploads_are_not_carried_and_uploads_are_named() -> None:
    state = SessionState()
    state._new_session_state["cart"] = ["apple"]
    state._new_session_state["_fluxlit_session:sid"] = "ours"
    for key, kind, value in (
        ("slider", "int_value", 5),
        ("button", "trigger_value", True),
        ("chat", "chat_input_value", "hello"),
        ("file", "file_uploader_state_value", ["a file"]),
    ):
        widget(state, key, kind, value)
    custom = widget(state, "kind", "string_value", int)
    content = session_content.read_state(state, page="p", sent="")
    assert dict(content.state) == {"cart": ["apple"]}
    assert list(content.values) == ["$$ID-0-slider"]
    assert list(content.wires) == [custom]
    assert list(content.lost) == ["file"]
