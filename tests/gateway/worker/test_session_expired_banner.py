"""The script that shows an open tab the end of its login.

It is in Streamlit's page, and in nothing else.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field

import brotli
import pytest

from fluxlit._internal.asgi import Receive, Scope, Send
from fluxlit.worker.session_expired_banner import SCRIPT, with_session_expired_banner
from tests.gateway.gateway.asking import Answer, ask, scope_of

pytestmark = pytest.mark.anyio

PAGE = b"<html><head><title>Streamlit</title></head><body>\xc3\xa4</body></html>"
WANTS_PAGE = (b"accept", b"text/html,*/*;q=0.8")


@dataclass
class Site:
    """An application that responds in two parts.

    Compressed or partial or not at all for those who would take that.
    """

    status: int = 200
    content_type: bytes = b"text/html; charset=utf-8"
    more: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked: Mapping[bytes, bytes] = dict(scope["headers"])
        status, body = self.status, PAGE
        if asked.keys() & {b"if-none-match", b"if-modified-since"}:
            status, body = 304, b""
        elif b"range" in asked:
            status, body = 206, PAGE[:5]
        elif b"accept-encoding" in asked:
            body = gzip.compress(PAGE)
        length = str(len(body)).encode()
        headers = [(b"content-type", self.content_type), (b"content-length", length), (b"etag", b'"1"'), *self.more]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if scope["method"] == "HEAD":
            body = b""
        await send({"type": "http.response.body", "body": body[:10], "more_body": True})
        await send({"type": "http.response.body", "body": body[10:]})


async def answer_to(site: Site, *fields: tuple[bytes, bytes], method: str = "GET") -> Answer:
    return await ask(with_session_expired_banner(site), scope_of("/orders", *fields, method=method))


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(b"accept-encoding", b"gzip, br")],
        [(b"range", b"bytes=0-4")],
        [(b"if-none-match", b'"1"')],
        [(b"if-modified-since", b"Mon, 01 Jan 2024 00:00:00 GMT")],
    ],
)
async def test_the_page_has_the_script_before_all_others(fields: list[tuple[bytes, bytes]]) -> None:
    answer = await answer_to(Site(more=[(b"x-kept", b"1")]), WANTS_PAGE, *fields)
    assert answer.status == 200
    compressed = answer.all(b"content-encoding") == [b"br"]
    assert compressed == (b"accept-encoding" in dict(fields))
    page = brotli.decompress(answer.body) if compressed else answer.body
    assert page == PAGE.replace(b"</title>", b"</title>" + SCRIPT.encode())
    assert answer.all(b"vary") == [b"accept-encoding"]
    assert answer.all(b"content-length") == [str(len(answer.body)).encode()]
    assert (answer.all(b"etag"), answer.all(b"x-kept")) == ([], [b"1"])


async def test_its_head_says_nothing_wrong_about_it() -> None:
    answer = await answer_to(Site(), WANTS_PAGE, method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert (answer.all(b"content-length"), answer.all(b"etag")) == ([], [])


@pytest.mark.parametrize(
    ("site", "field"),
    [
        (Site(content_type=b"text/javascript"), WANTS_PAGE),
        (Site(status=404), WANTS_PAGE),
        (Site(), (b"accept", b"*/*")),
    ],
)
async def test_everything_else_stays_as_it_is(site: Site, field: tuple[bytes, bytes]) -> None:
    answer = await answer_to(site, field)
    assert (answer.status, answer.body, answer.all(b"etag")) == (site.status, PAGE, [b'"1"'])


async def test_a_page_without_a_title_is_left_alone() -> None:
    async def bare(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": b"<p>bare"})

    assert (await ask(with_session_expired_banner(bare), scope_of("/", WANTS_PAGE))).body == b"<p>bare"
