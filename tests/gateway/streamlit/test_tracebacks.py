"""A page's error in the browser begins with the user's line."""

import runpy
from pathlib import Path

import pytest
import streamlit.elements.exception as exceptions
from streamlit.proto.Exception_pb2 import Exception as Message

from fluxlit.streamlit.tracebacks import hide_own_frames


def test_frames_of_fluxlit_are_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exceptions, "_drop_streamlit_frames", exceptions._drop_streamlit_frames)
    script = tmp_path / "page.py"
    script.write_text("from fluxlit.pages.path import parse_path\n\nparse_path(3)\n")
    with pytest.raises(AttributeError) as caught:
        runpy.run_path(str(script))
    message = Message()
    exceptions.marshall(message, caught.value)
    assert any("parse_path" in line for line in message.stack_trace)
    for _ in range(2):
        hide_own_frames()
        exceptions.marshall(message, caught.value)
        shown = "\n".join(message.stack_trace)
        assert f'File "{script}", line 3' in shown
        assert "fluxlit/" not in shown
