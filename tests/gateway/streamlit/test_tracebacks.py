"""A page's error in the browser: the user's line, or the request's id."""

import runpy
from pathlib import Path

import pytest
import streamlit.elements.exception as exceptions
from streamlit import config
from streamlit.proto.Exception_pb2 import Exception as Message

from fluxlit.streamlit import tracebacks
from fluxlit.streamlit.tracebacks import hide_own_frames, name_requests


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


@pytest.mark.parametrize(("ids", "where"), [(["r-1"], "log, under request r-1."), ([], "log.")])
def test_an_error_without_details_names_the_request(
    ids: list[str], where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracebacks, "handshake", lambda _: ids)
    monkeypatch.setattr(config, "get_option", lambda _: "none")
    plain = exceptions.marshall
    message = Message()
    end = name_requests()
    try:
        exceptions.marshall(message, ValueError("secret"), apply_show_error_details=True)
        assert message.message == f"An error occurred on this page. The details are in the application's {where}"
        exceptions.marshall(message, ValueError("shown by the page itself"))
        assert message.message == "shown by the page itself"
    finally:
        end()
    assert exceptions.marshall is plain
