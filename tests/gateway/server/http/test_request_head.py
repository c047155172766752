"""The rules of a request's head, as functions."""

from __future__ import annotations

import pytest

from fluxlit.server.http.request_head import HttpLimits, objection_to_coding, origin_form, size_of


@pytest.mark.parametrize(
    ("target", "path", "host"),
    [
        (b"http://user@public.example:81/a?b=c", b"/a?b=c", b"public.example:81"),
        (b"HTTPS://public.example", b"/", b"public.example"),
        (b"http://public.example?b", b"/?b", b"public.example"),
        (b"*", b"*", b"h"),
        (b"ftp://public.example/a", b"", b"h"),
        (b"http:///a", b"", b"h"),
        (b"a/b", b"", b"h"),
    ],
)
def test_an_authority_in_the_target_replaces_host(target: bytes, path: bytes, host: bytes) -> None:
    """RFC 9112 section 3.2."""
    headers = [(b"accept", b"*/*"), (b"host", b"h")]
    assert origin_form(target, headers) == path
    assert [value for name, value in headers if name == b"host"] == [host]
    assert (b"accept", b"*/*") in headers


@pytest.mark.parametrize(
    ("codings", "version", "status"),
    [
        ([b"chunked"], "1.1", 0),
        ([b"Chunked "], "1.1", 0),
        ([b"chunked"], "1.0", 400),
        ([b"gzip, chunked"], "1.1", 501),
        ([b"gzip", b"chunked"], "1.1", 501),
        ([b"chunked, gzip"], "1.1", 400),
        ([b"chunked", b"chunked"], "1.1", 400),
        ([b"identity"], "1.1", 400),
    ],
)
def test_only_chunked_alone_ends_a_body(codings: list[bytes], version: str, status: int) -> None:
    """RFC 9112 sections 6.1 and 6.3."""
    assert objection_to_coding(version, [(b"transfer-encoding", each) for each in codings]) == status


def test_a_target_may_have_a_quarter_of_the_head() -> None:
    assert (HttpLimits().target, HttpLimits(head=4096).target) == (16 * 1024, 1024)
    assert size_of([(b"host", b"example"), (b"a", b"")]) == 12
