"""Request ids and the access log."""

from __future__ import annotations

import logging

import pytest

from fluxlit.asgi import Receive, Scope, Send
from fluxlit.observe import AccessLog, Observer, classify, is_request_id, new_request_id
from tests.gateway.gateway.asking import Recorder, ask, scope_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b"abc", True),
        (b"6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b", True),
        (b"Root=1-67891233-abcdef012345678912345678", True),
        (b"a" * 128, True),
        (b"a/b+c==", True),
        (b"a" * 129, False),
        (b"", False),
        (b"a b", False),
        (b"a\nb", False),
        (b"<script>", False),
        (b"a,b", False),
        (b"\xe9", False),
        (b'"', False),
    ],
)
async def test_a_well_formed_id_is_kept_and_any_other_replaced(value: bytes, kept: bool) -> None:
    """It goes on to API and UI, and back to the client, once."""
    inner = Recorder()
    answer = await ask(Observer(inner), scope_of("/", (b"x-request-id", value)))
    (passed,) = inner.field(b"x-request-id")
    assert answer.all(b"x-request-id") == [passed]
    assert (passed == value) is kept
    assert is_request_id(passed)


async def test_without_an_id_one_is_made_and_two_are_none() -> None:
    inner = Recorder()
    await ask(Observer(inner), scope_of("/"))
    (first,) = inner.field(b"x-request-id")
    await ask(Observer(inner), scope_of("/", (b"x-request-id", b"a"), (b"x-request-id", b"b")))
    (second,) = inner.field(b"x-request-id")
    assert len({first, second, b"a", b"b"}) == 4
    assert len(first) == 32
    assert len({new_request_id() for _ in range(1000)}) == 1000


async def test_an_id_that_the_application_answers_is_not_repeated() -> None:
    async def echoing(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-request-id", b"own"), (b"a", b"b")]})
        await send({"type": "http.response.body"})

    answer = await ask(Observer(echoing), scope_of("/", (b"x-request-id", b"abc")))
    assert answer.headers == [(b"a", b"b"), (b"x-request-id", b"abc")]


async def test_websockets_have_ids_too() -> None:
    inner = Recorder()
    answer = await ask(Observer(inner), scope_of("/", (b"x-request-id", b"abc"), kind="websocket"))
    assert (answer.status, answer.all(b"x-request-id")) == (101, [b"abc"])


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    classify(scope, "ui")
    await send({"type": "http.response.start", "status": 206, "headers": []})
    await send({"type": "http.response.body", "body": b"12345", "more_body": True})
    await send({"type": "http.response.body", "body": b"678"})


async def test_the_access_line_is_written_after_the_answer_with_all_that_is_known(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without the query: that is where tokens are."""
    observer = Observer(answering, log=AccessLog(gateway=True, api=False))
    with caplog.at_level(logging.INFO, "fluxlit.access"):
        await ask(observer, scope_of("/a%2Fb?fluxlit_sid=secret", (b"x-request-id", b"abc")))
    (record,) = caplog.records
    facts = vars(record)
    assert record.getMessage() == "GET /a%2Fb 206"
    assert {name: facts[name] for name in ("status", "bytes", "route", "client", "request_id", "method")} == {
        "status": 206,
        "bytes": 8,
        "route": "ui",
        "client": "203.0.113.9",
        "request_id": "abc",
        "method": "GET",
    }
    assert 0 <= facts["duration_ms"] < 10_000
    assert "secret" not in str(facts)


@pytest.mark.parametrize(("route", "logged"), [("api", True), ("liveness", True), ("ui", False), ("asset", False)])
async def test_request_logging_is_for_the_api_alone(route: str, logged: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def classified(scope: Scope, receive: Receive, send: Send) -> None:
        classify(scope, route)
        await answering({}, receive, send)

    with caplog.at_level(logging.INFO, "fluxlit.access"):
        await ask(Observer(classified, log=AccessLog(gateway=False, api=True)), scope_of("/"))
    assert bool(caplog.records) is logged


async def test_rule_22_a_client_that_left_is_logged_as_499(caplog: pytest.LogCaptureFixture) -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        """The proxy returns without an answer when the client is gone."""

    with caplog.at_level(logging.INFO, "fluxlit.access"):
        await ask(Observer(silent, log=AccessLog(gateway=True, api=False)), scope_of("/"))
    assert vars(caplog.records[0])["status"] == 499


async def test_a_crash_is_logged_as_500(caplog: pytest.LogCaptureFixture) -> None:
    async def crashing(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError

    with caplog.at_level(logging.INFO, "fluxlit.access"), pytest.raises(RuntimeError):
        await ask(Observer(crashing, log=AccessLog(gateway=True, api=False)), scope_of("/"))
    assert vars(caplog.records[0])["status"] == 500


async def test_with_the_log_off_nothing_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "fluxlit.access"):
        await ask(Observer(answering, log=AccessLog(gateway=False, api=False)), scope_of("/"))
    assert caplog.records == []
