"""What the browser of a restored session sends."""

from __future__ import annotations

from types import SimpleNamespace

from streamlit.proto.BackMsg_pb2 import BackMsg

from fluxlit.streamlit import session_runs


def test_files_that_are_in_another_process_are_taken_out_of_what_the_browser_sends() -> None:
    message = BackMsg()
    uploader = message.rerun_script.widget_states.widgets.add(id="$$ID-0-file").file_uploader_state_value
    for name in ("here", "gone"):
        uploader.uploaded_file_info.add(file_id=name, name=name)
    message.rerun_script.widget_states.widgets.add(id="$$ID-0-slider", int_value=5)
    known = SimpleNamespace(get_files=lambda _session, ids: [SimpleNamespace(file_id=i) for i in ids if i == "here"])
    session_runs.drop_missing_uploads(SimpleNamespace(id="s", _uploaded_file_mgr=known), message)
    left = message.rerun_script.widget_states.widgets[0].file_uploader_state_value.uploaded_file_info
    assert [info.file_id for info in left] == ["here"]
    assert len(message.rerun_script.widget_states.widgets) == 2
