# ruff: noqa: PLC0415, SLF001
"""The runs of a session that is copied, and what its browser sends.

Importing this module does not import Streamlit.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from fluxlit.streamlit.messages import UPLOADS, is_answer, is_run_request, mark_states
from fluxlit.streamlit.reloaded_session import complete, stop_sending
from fluxlit.streamlit.session_content import SessionContent
from fluxlit.streamlit.session_manager import attach, attached

RUN_ENDS = frozenset(
    {"SCRIPT_STOPPED_WITH_SUCCESS", "FRAGMENT_STOPPED_WITH_SUCCESS", "SCRIPT_STOPPED_WITH_COMPILE_ERROR"}
)


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
        if event.name in RUN_ENDS and sender is watched._scriptrunner:
            run_ended(watched)
            if attached(watched, "warm_up") is None:
                stop_sending(watched)
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
            complete(watched, message)
        kind.handle_backmsg(watched, message)

    session._on_scriptrunner_event = on_event
    session.handle_backmsg = handle_backmsg


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


def repeat_request(session: Any) -> None:
    """Repeat the last request of the browser, on the event loop."""
    message = attached(session, "request")
    if message is not None:
        session.handle_backmsg(message)


def is_running(session: Any) -> bool:
    """A script of the session runs, or is about to."""
    return session._scriptrunner is not None and session._state.value != "SHUTDOWN_REQUESTED"


def has_raised(session: Any) -> bool:
    """Whether the run that has just ended raised an exception."""
    from streamlit.runtime.state.session_state import SCRIPT_RUN_WITHOUT_ERRORS_KEY as KEY

    state = session._session_state
    return not state._new_session_state.get(KEY, state._old_state.get(KEY, True))
