"""The script that keeps a session over a reload.

In Streamlit's page and nowhere else.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from fluxlit.worker.resume.tab_reload import with_script

pytestmark = pytest.mark.anyio

PAGE = b'<!DOCTYPE html><html><head><title>x</title></head><body><div id="root"></div></body></html>'


async def ask(
    path: str, answer: tuple[int, list[tuple[bytes, bytes]], bytes], method: str = "GET", **headers: str
) -> tuple[int, dict[bytes, bytes], bytes, dict[bytes, bytes]]:
    """What comes of Streamlit's response, and which headers it has seen."""
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
    assert not {b"__MARK__", b"__FIELDS__"} & set(re.findall(rb"__\w+__", head)), "every place in the script is filled"
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
