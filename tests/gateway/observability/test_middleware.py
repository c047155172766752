"""Request ids, the access log, and what is counted."""

from __future__ import annotations

import logging

import pytest

from fluxlit._internal.asgi import Message, Receive, Scope, Send
from fluxlit.observability.access_log import AccessLog
from fluxlit.observability.middleware import ObservabilityMiddleware
from fluxlit.observability.request_id import is_request_id, new_request_id
from fluxlit.observability.request_record import classify
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
    answer = await ask(ObservabilityMiddleware(inner), scope_of("/", (b"x-request-id", value)))
    (passed,) = inner.field(b"x-request-id")
    assert answer.all(b"x-request-id") == [passed]
    assert (passed == value) is kept
    assert is_request_id(passed)


async def test_without_an_id_one_is_made_and_two_are_none() -> None:
    inner = Recorder()
    await ask(ObservabilityMiddleware(inner), scope_of("/"))
    (first,) = inner.field(b"x-request-id")
    await ask(ObservabilityMiddleware(inner), scope_of("/", (b"x-request-id", b"a"), (b"x-request-id", b"b")))
    (second,) = inner.field(b"x-request-id")
    assert len({first, second, b"a", b"b"}) == 4
    assert len(first) == 32
    assert len({new_request_id() for _ in range(1000)}) == 1000


async def test_an_id_that_the_application_answers_is_not_repeated() -> None:
    async def echoing(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-request-id", b"own"), (b"a", b"b")]})
        await send({"type": "http.response.body"})

    answer = await ask(ObservabilityMiddleware(echoing), scope_of("/", (b"x-request-id", b"abc")))
    assert answer.headers == [(b"a", b"b"), (b"x-request-id", b"abc")]


async def test_websockets_have_ids_too() -> None:
    inner = Recorder()
    answer = await ask(ObservabilityMiddleware(inner), scope_of("/", (b"x-request-id", b"abc"), kind="websocket"))
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
    observer = ObservabilityMiddleware(answering, log=AccessLog(gateway=True, api=False))
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
        await ask(ObservabilityMiddleware(classified, log=AccessLog(gateway=False, api=True)), scope_of("/"))
    assert bool(caplog.records) is logged


async def test_rule_22_a_client_that_left_is_logged_as_499(caplog: pytest.LogCaptureFixture) -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        """The proxy returns without a response when the client is gone."""

    with caplog.at_level(logging.INFO, "fluxlit.access"):
        await ask(ObservabilityMiddleware(silent, log=AccessLog(gateway=True, api=False)), scope_of("/"))
    assert vars(caplog.records[0])["status"] == 499


async def test_a_crash_is_logged_as_500(caplog: pytest.LogCaptureFixture) -> None:
    async def crashing(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError

    with caplog.at_level(logging.INFO, "fluxlit.access"), pytest.raises(RuntimeError):
        await ask(ObservabilityMiddleware(crashing, log=AccessLog(gateway=True, api=False)), scope_of("/"))
    assert vars(caplog.records[0])["status"] == 500


async def test_with_the_log_off_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "fluxlit.access"):
        await ask(ObservabilityMiddleware(answering, log=AccessLog(gateway=False, api=False)), scope_of("/"))
    assert caplog.records == []


def numbers(observer: ObservabilityMiddleware) -> dict[tuple[str, tuple[str, ...]], object]:
    counted = {(name, labels): value for name, labels, value in observer.traffic.read()}
    return {key: getattr(value, "count", value) for key, value in counted.items()}


async def test_what_is_answered_is_counted() -> None:
    observer = ObservabilityMiddleware(answering)
    for _ in range(2):
        await ask(observer, scope_of("/"))
    assert numbers(observer) == {
        ("fluxlit_http_requests_active", ()): 0,
        ("fluxlit_http_requests_total", ("ui", "206")): 2,
        ("fluxlit_http_request_duration_seconds", ("ui",)): 2,
        ("fluxlit_http_response_bytes_total", ("ui",)): 16,
    }


@pytest.mark.parametrize(("status", "label"), [(599, "599"), (600, "other"), (99, "other"), (12345, "other")])
async def test_an_attack_statuses_that_are_none_make_one_series(status: int, label: str) -> None:
    async def odd(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body"})

    observer = ObservabilityMiddleware(odd)
    await ask(observer, scope_of("/"))
    assert numbers(observer)["fluxlit_http_requests_total", ("none", label)] == 1


async def test_a_client_that_left_and_a_crash_are_counted_and_nothing_stays_active() -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        assert observer.traffic.active == 1
        if scope["path"] == "/crash":
            raise RuntimeError

    observer = ObservabilityMiddleware(silent)
    await ask(observer, scope_of("/"))
    with pytest.raises(RuntimeError):
        await ask(observer, scope_of("/crash"))
    found = numbers(observer)
    assert found["fluxlit_http_requests_total", ("none", "499")] == 1
    assert found["fluxlit_http_requests_total", ("none", "500")] == 1
    assert observer.traffic.active == 0


async def test_a_websocket_is_open_as_long_as_it_is_and_takes_no_part_in_the_durations() -> None:
    async def talking(scope: Scope, receive: Receive, send: Send) -> None:
        classify(scope, "ui")
        await send({"type": "websocket.accept"})
        assert numbers(observer)["fluxlit_websockets_open", ("ui",)] == 1
        await send({"type": "websocket.send", "bytes": b"1234"})
        await send({"type": "websocket.send", "text": "56"})
        if scope["path"] == "/crash":
            raise RuntimeError

    observer = ObservabilityMiddleware(talking)
    await ask(observer, scope_of("/", kind="websocket"))
    with pytest.raises(RuntimeError):
        await ask(observer, scope_of("/crash", kind="websocket"))
    assert numbers(observer) == {
        ("fluxlit_http_requests_active", ()): 0,
        ("fluxlit_websocket_handshakes_total", ("ui", "101")): 2,
        ("fluxlit_websockets_open", ("ui",)): 0,
        ("fluxlit_websocket_sent_bytes_total", ("ui",)): 12,
    }


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "websocket.close"}, "403"),
        ({"type": "websocket.http.response.start", "status": 401, "headers": []}, "401"),
        (None, "499"),
    ],
)
async def test_a_refused_handshake_is_counted_as_what_it_was_answered(message: Message | None, code: str) -> None:
    async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
        classify(scope, "ui")
        if message is not None:
            await send(message)

    observer = ObservabilityMiddleware(refusing)
    await ask(observer, scope_of("/", kind="websocket"))
    found = numbers(observer)
    assert found["fluxlit_websocket_handshakes_total", ("ui", code)] == 1
    assert found["fluxlit_websockets_open", ("ui",)] == 0
