"""What the end of a run waits for, and which parts of a session are carried."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.state import SessionState
from streamlit.runtime.state.common import WidgetMetadata

from fluxlit.streamlit import sessions as session_internals
from fluxlit.worker.resume import commit_barrier as gates
from fluxlit.worker.resume.commit_barrier import Gate
from fluxlit.worker.resume.tab_reload import with_script

pytestmark = pytest.mark.anyio


class Copy:
    """A copy that is saved when the test says so."""

    owner, attached, lost = "me", True, False

    def __init__(self) -> None:
        self.dirty = True
        self._calls: list[Callable[[], None]] = []

    def call_when_saved(self, function: Callable[[], None]) -> bool:
        self._calls.append(function)
        return self.dirty

    def save(self) -> None:
        self.dirty = False
        for call in self._calls:
            call()

    def put(self, *_: Any) -> bool:
        return True

    def end(self) -> None: ...


class Scene:
    """A connection with a gate, and what has come through."""

    def __init__(self, *, down: bool = False) -> None:
        self.sent: list[str] = []
        self.copy = Copy()
        self.client = SimpleNamespace(write_forward_msg=lambda message: self.sent.append(message.WhichOneof("type")))
        self.gate = Gate(self.client, self.copy, lambda: down, lambda _send: self.sent.append("late"))

    def write(self, *kinds: str) -> None:
        for kind in kinds:
            message = ForwardMsg()
            if kind == "script_finished":
                message.script_finished = ForwardMsg.FINISHED_SUCCESSFULLY
            else:
                getattr(message, kind).SetInParent()
            self.client.write_forward_msg(message)


async def test_the_end_of_a_run_and_what_follows_wait_until_its_changes_are_saved() -> None:
    scene = Scene()
    scene.write("new_session", "delta", "script_finished", "new_session")
    assert scene.sent == ["new_session", "delta"]
    scene.copy.save()
    await asyncio.sleep(0)
    assert scene.sent == ["new_session", "delta", "script_finished", "new_session"]


async def test_a_run_that_has_changed_nothing_waits_for_nothing() -> None:
    scene = Scene()
    scene.copy.dirty = False
    scene.write("script_finished")
    assert scene.sent == ["script_finished"]


async def test_a_store_that_takes_too_long_is_reported_before_the_end_of_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gates, "HOLD_S", 0.01)
    scene = Scene()
    scene.write("script_finished", "delta")
    async with asyncio.timeout(60):
        while len(scene.sent) < 3:  # noqa: ASYNC110 - a timer of the loop
            await asyncio.sleep(0.005)
    assert scene.sent == ["late", "script_finished", "delta"]


async def test_nobody_waits_for_a_store_that_is_known_to_be_away() -> None:
    scene = Scene(down=True)
    scene.write("delta", "script_finished")
    assert scene.sent == ["delta", "late", "script_finished"]
    waiting = Scene()
    waiting.write("script_finished")
    waiting.gate.give_up()
    assert waiting.sent == ["late", "script_finished"]


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
    content = session_internals._read(state, page="p", sent="")
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
    session_internals.drop_missing_uploads(SimpleNamespace(id="s", _uploaded_file_mgr=known), message)
    left = message.rerun_script.widget_states.widgets[0].file_uploader_state_value.uploaded_file_info
    assert [info.file_id for info in left] == ["here"]
    assert len(message.rerun_script.widget_states.widgets) == 2


def test_widgets_of_another_release_of_streamlit_are_left_to_the_browser() -> None:
    from fluxlit.worker.resume.copying import content_of, groups_of  # noqa: PLC0415

    content = session_internals.SessionContent({"cart": 1}, "page", {"k": "e"}, {"e": ("int_value", 5)}, sent="1-x")
    groups = {**groups_of(content), "state": {"cart": 1}}
    assert content_of(groups) == content
    groups["page"] = {**groups["page"], "streamlit": "0.1"}
    assert content_of(groups) == session_internals.SessionContent({"cart": 1}, "page")


PAGE = b'<!DOCTYPE html><html><head><title>x</title></head><body><div id="root"></div></body></html>'


async def ask(
    path: str, answer: tuple[int, list[tuple[bytes, bytes]], bytes], method: str = "GET", **headers: str
) -> tuple[int, dict[bytes, bytes], bytes, dict[bytes, bytes]]:
    """What comes of an answer of Streamlit's, and which fields Streamlit has seen."""
    seen: dict[bytes, bytes] = {}
    sent: list[Any] = []
    status, fields, body = answer

    async def streamlit(scope: Any, _receive: Any, send: Any) -> None:
        seen.update(dict(scope["headers"]))
        await send({"type": "http.response.start", "status": status, "headers": fields})
        half = len(body) // 2
        await send({"type": "http.response.body", "body": body[:half], "more_body": True})
        await send({"type": "http.response.body", "body": body[half:]})

    async def receive() -> Any:
        raise AssertionError("nothing to read")

    async def send(message: Any) -> None:
        sent.append(message)

    asked = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": asked}
    await with_script(streamlit, "/base")(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(each.get("body", b"") for each in sent[1:]), seen


def html(status: int = 200, body: bytes = PAGE) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    length = (b"content-length", str(len(body)).encode())
    return status, [(b"content-type", b"text/html; charset=utf-8"), length, (b"etag", b'"abc"')], body


async def test_streamlits_page_gets_the_script_that_keeps_its_session_in_the_tab() -> None:
    status, fields, body, _ = await ask("/base/sales", html(), accept_encoding="gzip")
    assert (status, int(fields[b"content-length"])) == (200, len(body))
    head, script, rest = body.partition(b"</script>\n")
    assert head.startswith(b"<!DOCTYPE html><html><head><script>")
    assert (script, rest) == (b"</script>\n", PAGE.partition(b"<head>")[2])
    assert b"__" not in head, "every place in the script is filled"
    assert fields[b"etag"] == b'"abc-tab"'
    _, of_head, nothing, _ = await ask("/base/sales", (200, html()[1], b""), method="HEAD")
    assert (of_head[b"content-length"], nothing) == (fields[b"content-length"], b"")


async def test_a_browser_that_has_the_page_with_the_script_is_told_so_and_no_other() -> None:
    unchanged = (304, [(b"etag", b'"abc"')], b"")
    status, fields, body, seen = await ask("/base/", unchanged, if_none_match='"abc-tab"')
    assert (status, fields[b"etag"], body, seen[b"if-none-match"]) == (304, b'"abc-tab"', b"", b'"abc"')
    assert b"if-none-match" not in (await ask("/base/", html(), if_none_match='"abc"'))[3]


@pytest.mark.parametrize("path", ["/base/media/a.html", "/base/component/x/index.html", "/base/_stcore/health"])
async def test_what_is_not_streamlits_page_stays_as_it_is(path: str) -> None:
    assert (await ask(path, html(), if_none_match='"x"'))[2:] == (PAGE, {b"if-none-match": b'"x"'})
    other = b"<html><head></head><body>Not found</body></html>"
    assert (await ask("/base/x", html(body=other)))[1:3] == ({**dict(html(body=other)[1])}, other)
    assert (await ask("/base/x", html(404)))[2] == PAGE
    icon = (200, [(b"content-type", b"image/png"), (b"etag", b'"i"')], b"png")
    assert (await ask("/base/favicon.png", icon))[1:3] == (dict(icon[1]), b"png")
