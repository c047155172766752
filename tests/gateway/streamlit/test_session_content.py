"""Which parts of a session are carried."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
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
    content = session_content._read(state, page="p", sent="")
    assert dict(content.state) == {"cart": ["apple"]}
    assert list(content.values) == ["$$ID-0-slider"]
    assert list(content.wires) == [custom]
    assert list(content.lost) == ["file"]


def test_files_that_are_in_another_process_are_taken_out_of_what_the_browser_sends() -> None:
    message = BackMsg()
    uploader = message.rerun_script.widget_states.widgets.add(id="$$ID-0-file").file_uploader_state_value
    for name in ("here", "gone"):
        uploader.uploaded_file_info.add(file_id=name, name=name)
    message.rerun_script.widget_states.widgets.add(id="$$ID-0-slider", int_value=5)
    known = SimpleNamespace(get_files=lambda _session, ids: [SimpleNamespace(file_id=i) for i in ids if i == "here"])
    session_content.drop_missing_uploads(SimpleNamespace(id="s", _uploaded_file_mgr=known), message)
    left = message.rerun_script.widget_states.widgets[0].file_uploader_state_value.uploaded_file_info
    assert [info.file_id for info in left] == ["here"]
    assert len(message.rerun_script.widget_states.widgets) == 2
