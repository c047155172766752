"""Headers of responses in every form that ASGI allows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from fluxlit._internal.asgi import (
    Application,
    Message,
    Receive,
    Scope,
    Send,
    is_html_page,
    request_header,
    response_headers,
)
from fluxlit.auth.middleware import ResponseHeaders, has_no_length
from fluxlit.backends.sticky_cookie import CookieSetter
from fluxlit.gateway.security_headers import SecureCookies
from fluxlit.observability.request_counters import RequestCounters
from fluxlit.observability.request_record import Defaults, RequestRecord
from fluxlit.observability.response_recorder import RecordingSend
from fluxlit.server.api import HeldErrorResponse
from fluxlit.server.page_calls import within
from fluxlit.worker.early_probes import EarlyProbes
from fluxlit.worker.resume.tab_reload import with_script
from fluxlit.worker.session_expired_banner import with_session_expired_banner
from tests.gateway.gateway.asking import ask, scope_of

pytestmark = pytest.mark.anyio

HEADERS = [(b"Content-Type", b"text/html"), (b"Set-Cookie", b"a=1"), (b"x-note", b"1")]

FORMS: dict[str, Callable[[], Iterable[Any] | None]] = {
    "list": lambda: HEADERS,
    "tuple": lambda: tuple(HEADERS),
    "once": lambda: iter(HEADERS),
    "lists": lambda: (list(header) for header in HEADERS),
    "absent": lambda: None,
}

LINK = (b"link", b"</>")


def around(wrap: Callable[[Send], Send]) -> Callable[[Application], Application]:
    """Middleware of a `send`."""

    def middleware(application: Application) -> Application:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            await application(scope, receive, wrap(send))

        return serve

    return middleware


READERS: dict[str, Callable[[Application], Application]] = {
    "cookies": around(SecureCookies),
    "worker": around(lambda send: CookieSetter(send, lambda: LINK)),
    "login": around(lambda send: ResponseHeaders(send, [LINK], private=True)),
    "fault": around(HeldErrorResponse),
    "redirects": around(lambda send: within(send, b"http://public", b"http://private")),
    "record": around(lambda send: RecordingSend(send, RequestRecord(b"1", Defaults.of([])), RequestCounters())),
    "probes": lambda application: EarlyProbes(application, ""),
    "reload": lambda application: with_script(application, ""),
    "banner": with_session_expired_banner,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("reader", READERS)
async def test_every_form_of_headers_arrives(reader: str, form: str) -> None:
    async def application(_: Scope, __: Receive, send: Send) -> None:
        headers = FORMS[form]()
        given = {} if headers is None else {"headers": headers}
        await send({"type": "http.response.start", "status": 200, **given})
        await send({"type": "http.response.body", "body": b"<html>"})

    answer = await ask(READERS[reader](application), scope_of("/", (b"accept", b"text/html")))
    assert (answer.status, answer.body) == (200, b"<html>")
    assert answer.all(b"x-note") == ([] if form == "absent" else [b"1"])
    if reader == "cookies" and form != "absent":
        assert answer.all(b"Set-Cookie") == [b"a=1; Secure"]
    if reader in ("worker", "probes"):
        assert len(answer.all(b"link")) == (form != "absent")


@pytest.mark.parametrize("form", FORMS)
def test_reading_headers_leaves_them_in_the_message(form: str) -> None:
    headers = FORMS[form]()
    message: Message = {"type": "http.response.start", "status": 200}
    if headers is not None:
        message["headers"] = headers
    for _ in range(2):
        assert [tuple(header) for header in response_headers(message)] == ([] if form == "absent" else HEADERS)
        assert is_html_page(message) == (form != "absent")
        assert has_no_length(message)


def test_the_first_value_of_a_request_header_counts() -> None:
    scope = scope_of("/", (b"accept", b"text/html"), (b"accept", b"*/*"), (b"x-empty", b""))
    assert request_header(scope, b"accept") == b"text/html"
    assert request_header(scope, b"x-empty") == b""
    assert request_header(scope, b"x-other") is None
