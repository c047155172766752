# ruff: noqa: PLC0415
"""Protobuf messages between browsers and Streamlit.

Importing this module does not import Streamlit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fluxlit.streamlit.feature import Feature

FLUSH_S = 0.002
"""Seconds between two looks at what sessions have to send.

Streamlit waits 5 ms, and a click on a light page waits for that once or twice. With less than 2 ms a page that draws in
a tight loop would cost noticeably more: fewer of its messages replace each other.
"""

UPLOADS = "file_uploader_state_value"
NOT_CARRIED = frozenset({"trigger_value", "string_trigger_value", "json_trigger_value", "chat_input_value", UPLOADS})
"""Kinds of widget values that mean something once, or in one process."""

ASKED = "fluxlit-asked"
"""Stands for a fragment in the timer by which a browser is asked for a run, and in the reply."""

ASK_S = 0.02


def send_sooner() -> Callable[[], None]:
    """Have Streamlit look for messages every `FLUSH_S` seconds.

    Returns:
        Ends that.
    """
    return FLUSHES.attempt(_send_sooner, lambda: None)


def _send_sooner() -> Callable[[], None]:
    from streamlit.runtime import runtime

    module: Any = runtime
    before = module.MESSAGE_FLUSH_INTERVAL_SECS
    module.MESSAGE_FLUSH_INTERVAL_SECS = min(before, FLUSH_S)
    return lambda: setattr(module, "MESSAGE_FLUSH_INTERVAL_SECS", before)


def _probe() -> None:
    from streamlit.runtime import runtime

    if "MESSAGE_FLUSH_INTERVAL_SECS" not in vars(runtime):
        raise TypeError("the runtime waits in another way")


FLUSHES = Feature(
    "short waits between messages",
    off="A click takes some 3 ms longer: Streamlit waits between two looks at what sessions have to send.",
    names=("streamlit.runtime.runtime_util:MESSAGE_FLUSH_INTERVAL_SECS",),
    probe=_probe,
)


def mark_states(message: Any) -> str:
    """The same for those in a message."""
    import zlib

    states = sorted(state.SerializeToString(deterministic=True) for state in message.rerun_script.widget_states.widgets)
    return f"{len(states)}-{zlib.crc32(b''.join(states)):08x}"


def needs_widgets(message: Any) -> bool:
    """Whether a message is for a fragment, or for a button press."""
    request = message.rerun_script
    return bool(request.fragment_id) or any(
        state.WhichOneof("value") in NOT_CARRIED - {UPLOADS} and _is_active(state)
        for state in request.widget_states.widgets
    )


def _is_active(state: Any) -> bool:
    kind = state.WhichOneof("value")
    return bool(state.trigger_value) if kind == "trigger_value" else True


def is_run_request(message: Any) -> bool:
    """A browser's message that asks for a run."""
    return bool(message.WhichOneof("type") == "rerun_script")


def is_run_end(message: Any) -> bool:
    """Whether a server's message ends a run."""
    return bool(message.WhichOneof("type") == "script_finished")


def session_id_fields() -> list[int]:
    """Field numbers of the session id in the first message of a run."""
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    fields, within = [], ForwardMsg.DESCRIPTOR
    for name in ("new_session", "initialize", "session_id"):
        found = within.fields_by_name[name]
        fields.append(found.number)
        within = found.message_type
    return fields


def ask_for_run() -> Any:
    """A message that makes the browser ask for a run.

    Only the browser knows its address and the values of its widgets. Nothing but a timer does that, and timers belong
    to fragments: this one asks until it is stopped, or a run begins.
    """
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    message = ForwardMsg()
    message.auto_rerun.interval = ASK_S
    message.auto_rerun.fragment_id = ASKED
    return message


def stop_asking() -> Any:
    """The message that ends what `ask_for_run` has begun."""
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

    message = ForwardMsg()
    message.stop_auto_rerun.fragment_ids.append(ASKED)
    return message


def is_answer(message: Any) -> bool:
    """Whether a browser's message is the reply to `ask_for_run`."""
    return bool(message.rerun_script.fragment_id == ASKED)


def plain_request(message: Any) -> Any:
    """A reply to `ask_for_run` as a request for a run of the whole page."""
    message.rerun_script.ClearField("fragment_id")
    message.rerun_script.ClearField("is_auto_rerun")
    return message


def toast(body: str, icon: str, seconds: int) -> Any:
    """A message that shows a toast; 0 seconds mean until it is closed."""
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
    from streamlit.proto.RootContainer_pb2 import RootContainer

    message = ForwardMsg()
    message.metadata.delta_path[:] = [RootContainer.EVENT, 0]
    message.delta.new_element.toast.body = body
    message.delta.new_element.toast.icon = icon
    message.delta.new_element.toast.duration = seconds
    return message


def no_toast() -> Any:
    """A message that clears a toast: older front ends need it first."""
    message = toast("", "", 0)
    message.delta.new_element.empty.SetInParent()
    return message
