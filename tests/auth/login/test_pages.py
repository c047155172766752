"""The pages of a login: nothing is executed, cached or framed."""

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from fluxlit._internal.system_page import Look
from fluxlit.auth.contract import PAGE
from fluxlit_auth.login.pages import page, question, redirect


def test_text_is_escaped() -> None:
    body = bytes(page(400, "<b>", "<script>", link=('/"><x>', "<i>")).body).decode()
    assert not [tag for tag in ("<b>", "<script>", "<x>", "<i>") if tag in body]


@pytest.mark.anyio
async def test_a_page_has_the_look_of_the_application_that_it_is_sent_for() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        scope = {**scope, PAGE: Look("Tea house")}
        await page(200, "Signed <out>", "Bye & bye", link=("/x?a=1&b", "Start"))(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://p") as client:
        answer = await client.get("/")
    assert "<header>Tea house</header><h1>Signed &lt;out&gt;</h1><p>Bye &amp; bye</p>" in answer.text
    assert '<a href="/x?a=1&amp;b">Start</a>' in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]


def test_responses_are_never_cached_or_framed() -> None:
    for response in (page(400, "a", "b"), question("a", "b", "/x", "c"), redirect("/x")):
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["referrer-policy"] == "no-referrer"


def test_every_cookie_is_a_header_of_its_own() -> None:
    response = redirect("/x", [b"a=1", b"b=2"])
    assert [value for name, value in response.raw_headers if name == b"set-cookie"] == [b"a=1", b"b=2"]
