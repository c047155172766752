"""Refusals as events of the log."""

import json
import logging

import pytest

from fluxlit._internal.asgi import Message, Receive, Scope, Send
from fluxlit.auth.contract import User
from fluxlit.gateway import Gateway, RouteTable, closed_prefixes
from fluxlit.gateway.router import Readiness
from fluxlit.observability.current_request import REQUEST_ID
from fluxlit.observability.logs.formatters import TerminalLogFormatter
from fluxlit.observability.middleware import ObservabilityMiddleware
from fluxlit.observability.security_log import FOREIGN_ORIGIN, NO_CREDENTIALS, NO_ROLE, log_refusal
from fluxlit.users import CurrentUserProvider, Denied, Requirement, configure
from fluxlit.worker.log_records import ChannelHandler, replay
from tests.gateway.gateway.asking import Recorder, ask, scope_of

pytestmark = pytest.mark.anyio

ADA = User(subject="ada", issuer="https://issuer.example", session="handle-of-the-session")


def test_an_event_names_user_address_and_request(caplog: pytest.LogCaptureFixture) -> None:
    """ASVS 5.0, 16.3.2."""
    scope = scope_of("/_stcore/upload_file/secret-id/1?token=secret")
    with caplog.at_level(logging.INFO, "fluxlit.security"):
        log_refusal(403, NO_ROLE, ADA, scope)
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == "Access denied (403): the user lacks the role; user 'ada'"
    wanted = {"user": "ada", "issuer": ADA.issuer, "client": "203.0.113.9", "method": "GET", "status": 403}
    assert wanted.items() <= vars(record).items()
    assert not any(secret in str(vars(record)) for secret in ("secret-id", "token", "handle-of-the-session"))


def test_a_request_without_credentials_is_information(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "fluxlit.security"):
        log_refusal(401, NO_CREDENTIALS, None)
    assert [record.levelname for record in caplog.records] == ["INFO"]


async def test_the_line_of_a_refusal_has_the_request_id(caplog: pytest.LogCaptureFixture) -> None:
    async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
        log_refusal(403, NO_ROLE, ADA, scope)

    scope = scope_of("/", (b"x-request-id", b"id-of-the-request"))
    with caplog.at_level(logging.INFO, "fluxlit.security"):
        await ObservabilityMiddleware(refusing)(scope, no_message, nowhere)
        REQUEST_ID.set("")
    [record] = caplog.records
    assert "request_id=id-of-the-request" in TerminalLogFormatter().format(record)


async def no_message() -> Message:
    return {"type": "http.disconnect"}


async def nowhere(_: Message) -> None:
    """No message is expected."""


def test_the_refusal_of_a_page_has_the_address_of_its_visitor(caplog: pytest.LogCaptureFixture) -> None:
    """ASVS 5.0, 16.3.2."""
    sent: list[str] = []
    worker = ChannelHandler(sent.append)
    configure(CurrentUserProvider(lambda: ADA, "/api", lambda: "203.0.113.9"))
    try:
        with caplog.at_level(logging.INFO, "fluxlit.security"):
            assert not Requirement(frozenset({"admin"})).met_by(ADA)  # what a menu asks is no refusal
            with pytest.raises(Denied):
                Requirement(frozenset({"admin"})).check(ADA)
    finally:
        configure(None)
    [record] = caplog.records
    worker.emit(record)  # and the gateway writes it as if it were its own
    caplog.clear()
    replay(json.loads(sent[0]))
    [written] = caplog.records
    assert {"event": "access_denied", "client": "203.0.113.9", "user": "ada"}.items() <= vars(written).items()


def nothing_to_say() -> Readiness:
    raise AssertionError("no probe came")


async def test_a_websocket_from_another_origin_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """ASVS 5.0, 16.3.3."""
    gateway = Gateway(RouteTable("/api", closed_prefixes(())), Recorder(), Recorder(), nothing_to_say)
    scope = scope_of("/_stcore/stream", (b"origin", b"https://evil.example"), kind="websocket")
    with caplog.at_level(logging.INFO, "fluxlit.security"):
        answer = await ask(gateway, scope)
    assert answer.status == 403
    record, _remedy = caplog.records
    assert {"reason": FOREIGN_ORIGIN, "client": "203.0.113.9", "status": 403}.items() <= vars(record).items()
