"""Where a message ends.

Rules 14 to 18, 29 and 30 of docs/contributing/proxy-rules.md.
"""

from __future__ import annotations

import asyncio

import pytest

from fluxlit._internal.asgi import Receive, Scope, Send
from tests.gateway.proxy.harness import OK, Message, Peer, answering, get, post, stage, until
from tests.gateway.proxy.websocket import handshake

pytestmark = pytest.mark.anyio

POST = b"POST / HTTP/1.1\r\nHost: h\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

# Each is refused before a byte of it reaches the upstream.
SMUGGLING = {
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "two equal lengths": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "signed length": POST + b"Content-Length: +3\r\n\r\nabc",
    "negative length": POST + b"Content-Length: -3\r\n\r\nabc",
    "length with underscore": POST + b"Content-Length: 1_0\r\n\r\n0123456789",
    "hexadecimal length": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "length over 64 bits": POST + b"Content-Length: 18446744073709551617\r\n\r\na",
    "empty length": POST + b"Content-Length:\r\n\r\nabc",
    "length and chunked": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "chunked not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, chunked": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "unknown encoding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "x beside chunked": POST + b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "vertical tab before chunked": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "space before colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "folded field": POST + b"X: a\r\n b\r\n\r\n",
    "folded Transfer-Encoding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "space before the first field": b"GET / HTTP/1.1\r\n Host: h\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: h\n\n",
    "bare line feed in the fields": b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
    "bare carriage return": b"GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n",
    "NUL in a value": POST + b"X: a\0b\r\n\r\n",
    "NUL in a name": POST + b"X\0: a\r\n\r\n",
    "no colon": POST + b"X\r\n\r\n",
    "empty name": POST + b": x\r\n\r\n",
    "chunk size 0x3": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "chunk size +3": CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n",
    "chunk size 3_": CHUNKED + b"3_0\r\nabc\r\n0\r\n\r\n",
    "chunk size with a space": CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "no chunk size": CHUNKED + b"\r\nabc\r\n0\r\n\r\n",
    "chunk size over 64 bits": CHUNKED + b"FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
    "bare line feed after a chunk size": CHUNKED + b"3\nabc\r\n0\r\n\r\n",
    "bare line feed in an extension": CHUNKED + b"3;a\nabc\r\n0\r\n\r\n",
    "chunk longer than its size": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "length in the trailers": CHUNKED + b"3\r\nabc\r\n0\r\nContent-Length: 1\r\n\r\n",
    "Transfer-Encoding in the trailers": CHUNKED + b"3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}
NOT_IMPLEMENTED = {"gzip, chunked", "x beside chunked"}


@pytest.mark.parametrize("case", SMUGGLING)
async def test_rule_14_requests_that_two_hops_could_read_differently_go_no_further(case: str) -> None:
    """RFC 9112 sections 2.2, 5.1, 5.2, 6.1, 6.3 and 7.1.

    No whole request arrives upstream, and the connection ends.
    """
    script, seen = answering(OK)
    async with stage(script) as scene:
        client = await scene.client()
        await client.send(SMUGGLING[case] + get("/smuggled"))
        answer = await client.answer()
        rest = await client.rest() if case not in NOT_IMPLEMENTED else b""
    assert (answer.status, seen) == (501 if case in NOT_IMPLEMENTED else 400, [])
    assert b"HTTP/1.1 200" not in rest


@pytest.mark.parametrize("case", ["gzip, chunked", "x beside chunked", "unknown encoding", "chunked in HTTP/1.0"])
async def test_rule_14_codings_are_refused_before_any_application(case: str) -> None:
    """No proxy behind the API would look at them (RFC 9112 section 6.1)."""
    called: list[Scope] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        called.append(scope)

    script, _ = answering(OK)
    async with stage(script, wrap=lambda _: application) as scene:
        answer = await (await scene.client()).ask(SMUGGLING[case])
    assert (answer.status, called) == (501 if case in NOT_IMPLEMENTED else 400, [])


ANSWERS = {
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "gzip, chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked, gzip": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "identity": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nabc",
    "chunked twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "folded field": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "bare line feed in the fields": b"HTTP/1.1 200 OK\r\nX: a\nContent-Length: 0\r\n\r\n",
    "NUL": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "control character": b"HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 0\r\n\r\n",
    "space before colon": b"HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0\r\n\r\n",
    "no head at all": b"hello",
    "switching unasked": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 60_000,
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_rule_14_answers_that_could_be_read_in_two_ways_become_502(case: str) -> None:
    """RFC 9112 sections 5.2, 6.1, 6.3; RFC 9110 section 15.6.3."""
    script, _ = answering(ANSWERS[case])
    async with stage(script) as scene:
        answer = await (await scene.client()).ask(get())
        assert answer.status == 502
        assert ANSWERS[case][-12:] not in answer.body


@pytest.mark.parametrize(
    "chunks",
    [b"0x3\r\nabc\r\n0\r\n\r\n", b"3\nabc\n0\n\n", b"3\r\nabcXY0\r\n\r\n", b"-1\r\n\r\n", b"fffffffffffffffff\r\n"],
)
async def test_rule_14_an_answer_with_broken_chunks_is_cut(chunks: bytes) -> None:
    """RFC 9112 section 7.1.

    The client gets no end, so it cannot take the response for whole.
    """
    begun = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await begun.wait()
        await peer.send(chunks)
        await peer.gone()

    async with stage(script) as scene:
        client = await scene.client()
        await client.send(get())
        assert (await client.head()).status == 200
        begun.set()
        assert not (await client.rest()).endswith(b"0\r\n\r\n")


async def test_rule_14_a_second_answer_in_one_read_reaches_nobody() -> None:
    """Response splitting.

    What follows a response unasked must not answer the next request.
    """
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    for extra in (evil, evil[:20], b"\r\n\r\nx", b"garbage"):
        script, _ = answering(OK + extra, OK)
        async with stage(script) as scene:
            client = await scene.client()
            assert (await client.ask(get())).body == b"ok"
            assert (await client.ask(get())).body == b"ok"
            assert len(scene.connections) == 2


async def test_rule_15_length_never_travels_with_a_coding_and_bodies_arrive_as_sent() -> None:
    """RFC 9112 section 6.2."""
    script, seen = answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n")
    async with stage(script) as scene:
        client = await scene.client()
        answer = await client.ask(CHUNKED + b"2;ext=1\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
        again = await client.ask(post(b"abc"))
    assert (seen[0].body, seen[0].all(b"transfer-encoding"), seen[0].all(b"content-length")) == (
        b"abc",
        [b"chunked"],
        [],
    )
    assert (seen[1].body, seen[1].all(b"transfer-encoding"), seen[1].all(b"content-length")) == (b"abc", [], [b"3"])
    assert (answer.body, again.body) == (b"abc", b"abc")
    assert (answer.all(b"transfer-encoding"), answer.all(b"content-length")) == ([b"chunked"], [])


@pytest.mark.parametrize(
    "part",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
    ],
)
async def test_rule_15_an_answer_cut_short_is_cut_short_for_the_client_too(part: bytes) -> None:
    """RFC 9112 section 8: never ended as if it were whole."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(part)
        peer.close()

    async with stage(script) as scene:
        client = await scene.client()
        await client.send(get())
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"abc" in body
    assert not body.endswith(b"0\r\n\r\n")


async def test_rule_15_a_body_that_ends_with_the_connection_is_whole() -> None:
    """RFC 9112 section 6.3, last rule."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.0 200 OK\r\n\r\nall of it")
        peer.close()

    async with stage(script) as scene:
        answer = await (await scene.client()).ask(get())
    assert answer.body == b"all of it"


@pytest.mark.parametrize("cut", [b"Content-Length: 10\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"])
async def test_rule_15_an_upload_cut_short_is_never_completed_upstream(cut: bytes) -> None:
    """RFC 9112 section 8."""
    outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def script(peer: Peer) -> None:
        head = await peer.head()
        try:
            await peer.body(head)
        except (asyncio.IncompleteReadError, ConnectionError):
            outcome.set_result("cut")
        else:
            outcome.set_result("completed")

    async with stage(script) as scene:
        client = await scene.client()
        await client.send(POST + cut)
        client.close()
        async with asyncio.timeout(60):
            assert await outcome == "cut"


async def test_rule_16_interim_answers_end_at_the_proxy() -> None:
    """RFC 9110 section 15.2.

    ASGI has no message for 103; the final answer is not disturbed.
    """
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    script, _ = answering(early + early + b"HTTP/1.1 102 Processing\r\n\r\n" + OK)
    async with stage(script) as scene:
        client = await scene.client()
        answer = await client.ask(get())
        assert (answer.status, answer.body, answer.all(b"link")) == (200, b"ok", [])
        assert (await client.ask(get())).status == 200
        assert len(scene.connections) == 1


async def test_rule_16_the_upstream_decides_whether_a_body_is_wanted() -> None:
    """RFC 9110 section 10.1.1.

    The expectation is forwarded, and 100 comes when the upstream sends it.
    """
    seen: list[Message] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.head())
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        seen[0].body = await peer.body(seen[0])
        await peer.send(OK)

    async with stage(script) as scene:
        client = await scene.client()
        interim = await client.ask(POST + b"Content-Length: 3\r\nExpect: 100-Continue\r\n\r\n")
        assert interim.status == 100
        await client.send(b"abc")
        assert (await client.answer()).status == 200
    assert seen[0].all(b"expect") == [b"100-continue"]
    assert seen[0].body == b"abc"


async def test_rule_16_a_refusal_before_the_body_poisons_no_connection() -> None:
    """RFC 9110 section 10.1.1.

    The client may keep its body, so neither connection is used again.
    """
    bodies: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno")
        bodies.append(await peer.rest())

    async with stage(script) as scene:
        client = await scene.client()
        answer = await client.ask(POST + b"Content-Length: 30\r\nExpect: 100-continue\r\n\r\n")
        assert (answer.status, answer.body, answer.all(b"connection")) == (417, b"no", [b"close"])
        assert await client.rest() == b""
        await scene.connections[0].gone()
    assert bodies in ([], [b""])


@pytest.mark.usefixtures("unhurried")
async def test_rule_16_who_sends_the_body_without_being_asked_still_reads_the_refusal() -> None:
    """RFC 9112 section 9.6: Go's transport announces to wait, and does not."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 405 No\r\nContent-Length: 2\r\n\r\nno")
        await peer.rest()

    async with stage(script) as scene:
        client = await scene.client()
        await client.send(POST + b"Content-Length: 20000000\r\nExpect: 100-continue\r\n\r\n")
        await until(lambda: scene.connections)
        await client.send(b"x" * 20_000_000)
        answer = await client.answer()
        assert (answer.status, answer.body, answer.all(b"connection")) == (405, b"no", [b"close"])
        assert await client.rest() == b""


async def test_rule_16_a_body_that_comes_with_the_head_is_not_waited_for() -> None:
    """RFC 9110 section 10.1.1.

    No 100 is needed then, and the connection stays free of doubt.
    """
    script, seen = answering(OK, OK)
    async with stage(script) as scene:
        client = await scene.client()
        for _ in range(2):
            answer = await client.ask(POST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc")
            assert (answer.status, answer.all(b"connection")) == (200, [])
    assert [(message.body, message.all(b"expect")) for message in seen] == [(b"abc", [])] * 2


async def test_rule_16_an_upstream_that_does_not_know_expectations_gets_the_body_after_a_second() -> None:
    """RFC 9110 section 10.1.1.

    A client need not wait for ever, and neither does the proxy.
    """
    script, seen = answering(OK)
    async with stage(script) as scene:
        client = await scene.client()
        assert (await client.ask(POST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")).status == 100
        await client.send(b"abc")
        assert (await client.answer()).status == 200
    assert seen[0].body == b"abc"


async def test_rule_16_an_early_answer_to_an_upload_reaches_the_client_at_once() -> None:
    """RFC 9112 section 9.3.

    And the half-used upstream connection is not used again.
    """

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
        await peer.gone()

    async with stage(script) as scene:
        client = await scene.client()
        await client.send(POST + b"Content-Length: 1000000\r\n\r\n" + b"x" * 1000)
        answer = await client.answer()
        assert (answer.status, answer.body) == (403, b"no")
        await client.send(b"x" * 999_000)
        assert (await client.ask(get())).status == 403
        assert len(scene.connections) == 2


async def test_rule_16_a_refusal_in_two_parts_reaches_the_client_in_one() -> None:
    """Streamlit's server writes head and body apart.

    curl ends its upload when it has read the head of a refusal; for that HAProxy resets a stream of HTTP/2, and forgets
    the body unless it has come too.
    """

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 405 No\r\nContent-Length: 2\r\n\r\n")
        for _turn in range(20):  # of the loop, which is the client's too
            await asyncio.sleep(0)
        await peer.send(b"no")
        await peer.gone()

    async with stage(script) as scene:
        client = await scene.client()
        await client.send(POST + b"Content-Length: 1000000\r\n\r\n" + b"x" * 1000)
        async with asyncio.timeout(60):
            assert (await client.reader.read(65536)).endswith(b"\r\n\r\nno")


async def test_the_head_of_a_request_goes_ahead_of_its_body() -> None:
    """A client may wait for the response's head before it sends a body.

    Nothing is held back.
    """

    async def script(peer: Peer) -> None:
        head = await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ngo\r\n")
        body = await peer.body(head)
        await peer.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))

    async with stage(script) as scene:
        client = await scene.client()
        await client.send(CHUNKED)
        head = await client.head()
        assert await client.chunk() == b"go"
        await client.send(b"3\r\nabc\r\n0\r\n\r\n")
        assert await client.body(head) == b"abc"


@pytest.mark.parametrize(
    "length", [b"Content-Length: 1234\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 0\r\n"]
)
async def test_rule_17_an_answer_to_head_has_no_body_but_keeps_its_length(length: bytes) -> None:
    """RFC 9110 section 9.3.2 and RFC 9112 section 6.3."""
    script, _ = answering(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n", OK)
    async with stage(script) as scene:
        client = await scene.client()
        answer = await client.ask(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HEAD")
        expected = length.split(b": ")[1].strip()
        assert answer.all(b"content-length") == ([expected] if expected.isdigit() else [])
        assert (await client.ask(get())).body == b"ok"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\nETag: x\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 500\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nETag: x\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_rule_17_204_and_304_have_no_body_and_no_framing(answer: bytes) -> None:
    """RFC 9110 section 8.6 and RFC 9112 section 6.1."""
    script, _ = answering(answer, OK)
    async with stage(script) as scene:
        client = await scene.client()
        got = await client.ask(get())
        assert got.status == int(answer[9:12])
        assert got.all(b"etag") == [b"x"]
        assert not {b"content-length", b"transfer-encoding"} & set(got.names)
        assert (await client.ask(get())).body == b"ok"


async def test_ranges_and_conditions_pass_both_ways() -> None:
    """RFC 9110 sections 13 and 14: between client and origin alone."""
    script, seen = answering(
        b"HTTP/1.1 206 P\r\nContent-Range: bytes 2-3/10\r\nAccept-Ranges: bytes\r\nContent-Length: 2\r\n\r\ncd"
    )
    fields = ["Range: bytes=2-3", 'If-Range: "a"', 'If-None-Match: W/"b", "c"', "If-Modified-Since: x"]
    async with stage(script) as scene:
        answer = await (await scene.client()).ask(get("/", *fields))
    assert [b"%b: %b" % (name, value) for name, value in seen[0].fields[1:5]] == [
        field.split(":")[0].lower().encode() + b":" + field.split(":", 1)[1].encode() for field in fields
    ]
    assert (answer.status, answer.all(b"content-range"), answer.body) == (206, [b"bytes 2-3/10"], b"cd")


@pytest.mark.parametrize("method", [b"GET", b"DELETE", b"OPTIONS"])
async def test_any_method_may_have_a_body(method: bytes) -> None:
    """RFC 9110 section 9.3.1: unusual, but it is relayed."""
    script, seen = answering(OK)
    async with stage(script) as scene:
        client = await scene.client()
        assert (await client.ask(method + b" / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")).status == 200
    assert (seen[0].method, seen[0].body) == (method, b"abc")


@pytest.mark.parametrize("size", [0, 1, 65_536, 3_000_000])
async def test_bodies_of_any_size_arrive_whole_in_both_directions(size: int) -> None:
    """Also an empty one: `Content-Length: 0` stays what it is."""
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    script, seen = answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, body))
    async with stage(script) as scene:
        answer = await (await scene.client()).ask(post(body))
    assert (seen[0].body == body, answer.body == body, seen[0].all(b"content-length")) == (True, True, [b"%d" % size])


async def test_rule_18_trailers_of_a_request_are_dropped_not_merged() -> None:
    """RFC 9110 section 6.5.1."""
    script, seen = answering(OK)
    async with stage(script) as scene:
        await (await scene.client()).ask(CHUNKED + b"1\r\na\r\n0\r\nHost: evil\r\nCookie: evil\r\nX-T: 1\r\n\r\n")
    assert seen[0].names == [b"host", b"via", b"transfer-encoding"]
    assert seen[0].trailers == []


@pytest.mark.parametrize("at_once", [True, False])
async def test_rule_18_trailers_of_an_answer_are_dropped_not_merged(at_once: bool) -> None:
    """Also if all of it arrives in one read, before anything was passed on."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    rest = b"2\r\nok\r\n0\r\nX-T: 1\r\nSet-Cookie: evil\r\n\r\n"
    begun = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(head + rest if at_once else head)
        if not at_once:
            await begun.wait()
            await peer.send(rest)

    async with stage(script) as scene:
        client = await scene.client()
        answer = await client.ask_head(get())
        begun.set()
        assert await client.body(answer) == b"ok"
    assert (sorted(answer.names), answer.trailers) == ([b"date", b"transfer-encoding"], [])


async def test_rule_29_an_http_1_0_client_gets_no_chunks_and_the_connection_closes() -> None:
    """RFC 9112 section 6.1; what nginx asks for by default."""
    script, _ = answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    async with stage(script) as scene:
        client = await scene.client()
        answer = await client.ask(b"GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n")
    assert (answer.body, answer.all(b"transfer-encoding"), answer.all(b"connection")) == (b"ok", [], [b"close"])


@pytest.mark.parametrize("protocol", ["h2c", "TLS/1.0", "foo", "h2c, websocket2"])
async def test_rule_30_an_upgrade_to_anything_else_is_ignored(protocol: str) -> None:
    """RFC 9110 section 7.8: an offer, not a demand.

    Java's and Kotlin's clients make it with their first request.
    """
    script, seen = answering(OK)
    async with stage(script) as scene:
        client = await scene.client()
        for _ in range(2):
            offer = get("/", "Connection: Upgrade, HTTP2-Settings", f"Upgrade: {protocol}", "HTTP2-Settings: x")
            assert (await client.ask(offer)).status == 200
        assert (await client.ask(get("/next"))).status == 200
    assert [message.target for message in seen] == [b"/", b"/", b"/next"]
    assert seen[0].names == [b"host", b"via"]


@pytest.mark.parametrize("split", [False, True], ids=["in one read", "in two reads"])
@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"Content-Length: 26", b"GET /smuggled HTTP/1.1\r\n\r\n"),
        (b"Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n"),
    ],
    ids=["length", "chunks"],
)
async def test_rule_30_a_body_beside_such_an_upgrade_is_read_as_usual(split: bool, framing: bytes, body: bytes) -> None:
    """The parser would hand the body over as another protocol's.

    What follows it is the next request.
    """
    script, seen = answering(OK)
    async with stage(script) as scene:
        client = await scene.client()
        head = POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + framing + b"\r\n\r\n"
        if split:
            await client.send(head)
            await until(lambda: scene.connections)
        await client.send((b"" if split else head) + body + get("/next"))
        assert [(await client.answer()).status for _ in range(2)] == [200, 200]
    assert [message.target for message in seen] == [b"/", b"/next"]
    assert seen[0].body in (body, b"abc")


@pytest.mark.parametrize("method", [b"GET", b"POST"])
@pytest.mark.parametrize("framing", [b"Content-Length: 26", b"Transfer-Encoding: chunked"])
async def test_rule_30_a_websocket_with_a_body_is_refused(method: bytes, framing: bytes) -> None:
    """A server that waited for that body would wait for ever."""
    script, seen = answering(OK)
    async with stage(script) as scene:
        client = await scene.client()
        await client.send(handshake().replace(b"GET", method).replace(b"\r\n\r\n", b"\r\n" + framing + b"\r\n\r\n"))
        await client.send(b"GET /smuggled HTTP/1.1\r\n\r\n" + get("/more"))
        assert (await client.answer()).status == 400
        await client.rest()
    assert seen == []


async def test_rule_30_a_websocket_behind_an_unanswered_request_does_not_spoil_its_answer() -> None:
    """It is not opened.

    No client that knows what a handshake is sends one before the response.
    """
    script, seen = answering(OK)
    async with stage(script) as scene:
        client = await scene.client()
        await client.send(get() + handshake())
        assert (await client.answer()).status == 200
        assert await client.rest() == b""
    assert len(seen) == 1


async def test_pipelined_requests_are_answered_in_order() -> None:
    """RFC 9112 section 9.3.2."""

    async def script(peer: Peer) -> None:
        while True:
            target = (await peer.request()).target
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))

    async with stage(script) as scene:
        client = await scene.client()
        await client.send(b"".join(get(f"/{number}") for number in range(5)))
        assert [(await client.answer()).body for _ in range(5)] == [b"/0", b"/1", b"/2", b"/3", b"/4"]


async def test_a_bad_request_behind_a_good_one_does_not_spoil_its_answer() -> None:
    """The response that is under way ends, then the connection does."""
    script, _ = answering(OK)
    async with stage(script) as scene:
        client = await scene.client()
        await client.send(get() + b"GET / HTTP/1.1\nbad\n\n")
        answer = await client.answer()
        assert (answer.status, answer.body) == (200, b"ok")
        assert b"200" not in await client.rest()
