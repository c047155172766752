"""Uploads: only to sessions with an uploader, and within a budget."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.elements.widgets.chat import ChatInputSerde

from fluxlit._internal.asgi import Message, Receive, Scope, Send
from fluxlit.auth.contract import User
from fluxlit.worker import upload_limits
from fluxlit.worker.upload_limits import EACH, FILES, MEGABYTE, UploadLimits
from tests.gateway.gateway.asking import Answer, scope_of

pytestmark = pytest.mark.anyio

LARGEST_MB = 2
BUDGET = FILES * (LARGEST_MB * MEGABYTE + EACH)
ADA = User(subject="ada", issuer="https://issuer.example")


class Streamlit:
    """A runtime with one session, and the server that stores its uploads."""

    def __init__(self, *widgets: Any, **attached: Any) -> None:
        metadata = {str(number): widget for number, widget in enumerate(widgets)}
        state = SimpleNamespace(_new_widget_state=SimpleNamespace(widget_metadata=metadata))
        session = SimpleNamespace(_session_state=state, **{f"_fluxlit_{name}": it for name, it in attached.items()})
        found = {"mine": SimpleNamespace(session=session)}
        self.files: dict[str, dict[str, Any]] = defaultdict(dict)
        self._session_mgr = SimpleNamespace(get_session_info=found.get)
        self._uploaded_file_mgr = SimpleNamespace(file_storage=self.files)
        self.limits = UploadLimits("/base", lambda: ADA)
        self.limits.attach(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        if scope["method"] == "PUT":
            session, file = scope["path"].removeprefix("/base/_stcore/upload_file/").split("/")
            self.files[session][file] = SimpleNamespace(data=body)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def put(
        self, parts: list[int], file: str = "a", *, session: str = "mine", stated: bool = True, method: str = "PUT"
    ) -> int:
        """Upload a file in parts; the status."""
        fields = [(b"content-length", str(sum(parts)).encode())] if stated else []
        scope = scope_of(f"/base/_stcore/upload_file/{session}/{file}", *fields, method=method)
        answer, left = Answer(), iter(parts)

        async def receive() -> Message:
            await asyncio.sleep(0)
            size = next(left, None)
            return {"type": "http.request", "body": b"x" * (size or 0), "more_body": size is not None}

        async def send(message: Message) -> None:
            answer.status = message.get("status", answer.status)

        await self.limits.around(self)(scope, receive, send)
        return answer.status


@pytest.fixture(autouse=True)
def largest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_limits, "get_option", {"server.maxUploadSize": LARGEST_MB}.__getitem__)


def widget(kind: str, chat: ChatInputSerde | None = None) -> Any:
    return SimpleNamespace(value_type=kind, deserializer=chat.deserialize if chat else str)


UPLOADER = widget("file_uploader_state_value")


@pytest.mark.parametrize(
    ("widgets", "status"),
    [
        ([], 403),
        ([widget("string_value"), widget("chat_input_value", ChatInputSerde())], 403),
        ([widget("chat_input_value", ChatInputSerde(accept_files=True))], 204),
        ([widget("chat_input_value", ChatInputSerde(accept_audio=True))], 204),
        ([widget("bool_value"), UPLOADER], 204),
    ],
    ids=["no widget", "no uploader", "files in a chat", "voice in a chat", "an uploader, camera or microphone"],
)
async def test_a_session_that_has_shown_no_uploader_takes_no_upload(
    widgets: list[Any], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """ASVS 5.0, 16.3.3."""
    streamlit = Streamlit(*widgets)
    with caplog.at_level(logging.INFO, "fluxlit.security"):
        assert await streamlit.put([1000]) == status
    assert [vars(record)["user"] for record in caplog.records] == (["ada"] if status == 403 else [])


async def test_other_requests_pass_and_streamlit_refuses_unknown_sessions() -> None:
    assert await Streamlit().put([], method="OPTIONS") == 204
    assert await Streamlit().put([1], session="unknown") == 204


async def test_a_restored_session_has_shown_its_widgets_elsewhere() -> None:
    assert await Streamlit(restored=True).put([1]) == 204


both = pytest.mark.parametrize("stated", [True, False], ids=["with a length", "without a length"])


@both
async def test_a_session_has_a_budget_for_all_its_files(stated: bool) -> None:
    """ASVS 5.0, 5.2.1 and 5.2.4."""
    streamlit = Streamlit(UPLOADER)
    size = LARGEST_MB * MEGABYTE
    statuses = [await streamlit.put([size], str(number), stated=stated) for number in range(FILES + 1)]
    assert statuses == [204] * FILES + [413]
    assert await streamlit.put([size], "0", stated=stated) == 204, "it replaces one of the same size"
    del streamlit.files["mine"]["1"]
    assert await streamlit.put([size], "4", stated=stated) == 204


@both
async def test_what_is_under_way_counts(stated: bool) -> None:
    streamlit = Streamlit(UPLOADER)
    parts = [64 * 1024] * 32
    uploads = [streamlit.put(parts, str(number), stated=stated) for number in range(3 * FILES)]
    statuses = await asyncio.gather(*uploads)
    assert set(statuses) <= {204, 413}
    assert sum(len(file.data) for file in streamlit.files["mine"].values()) <= BUDGET
    del streamlit.files["mine"]
    assert await streamlit.put(parts) == 204, "nothing is counted for ever"


async def test_empty_files_have_a_limit_too() -> None:
    """ASVS 5.0, 5.2.4."""
    streamlit = Streamlit(UPLOADER)
    streamlit.files["mine"] = {str(number): SimpleNamespace(data=b"") for number in range(BUDGET // EACH)}
    assert await streamlit.put([0]) == 413
