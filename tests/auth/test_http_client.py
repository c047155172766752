"""The HTTP client: malformed responses and failed connections."""

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest

from fluxlit_auth.errors import ProviderUnavailable
from fluxlit_auth.http_client import MAX_BYTES, HttpClient
from fluxlit_auth.provider import Provider
from tests.auth.conftest import Clock
from tests.gateway.server.sockets.certificates import make_certificate

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"<html>", b"[" * 100_000, b" " * (MAX_BYTES + 1)])
async def test_nonsense_is_a_provider_that_is_down(body: bytes) -> None:
    web = HttpClient(httpx.MockTransport(lambda _request: httpx.Response(200, content=body)))
    with pytest.raises(ProviderUnavailable):
        await Provider("https://provider.test", web).metadata()


def test_a_transport_of_another_library_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match=r"an httpx\.AsyncBaseTransport, .* not builtins\.object\."):
        HttpClient(object())  # type: ignore[arg-type]


async def test_a_provider_that_cannot_be_reached(clock: Clock) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"no way to {request.url}?code=secret")

    with pytest.raises(ProviderUnavailable) as raised:
        await Provider("https://provider.test", HttpClient(httpx.MockTransport(refuse)), clock=clock).metadata()
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("tls", "reason"),
    [
        (True, "its certificate is not trusted: self-signed certificate. SSL_CERT_FILE names further authorities"),
        (False, "TLS failed: "),
    ],
)
async def test_a_provider_without_valid_tls_is_not_taken_for_one_that_is_away(
    tmp_path: Path, *, tls: bool, reason: str
) -> None:
    """A login writes this reason into the log."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    context = None
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*make_certificate(tmp_path, "localhost"))
    async with await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ProviderUnavailable) as raised:
            await Provider(f"https://localhost:{port}", HttpClient()).metadata()
    assert reason in str(raised.value)


@pytest.mark.parametrize("value", ["7", "\u00b2", "9" * 5000, "-1", "soon", ""], ids=lambda value: value[:9])
async def test_an_odd_retry_after_is_no_fault(value: str) -> None:
    headers = [(b"retry-after", value.encode("latin-1"))]
    web = HttpClient(httpx.MockTransport(lambda _request: httpx.Response(503, headers=headers)))
    with pytest.raises(ProviderUnavailable) as raised:
        await web.document("https://provider.test", "x")
    assert 1 <= raised.value.retry_after <= 300


@pytest.mark.parametrize("body", [b'{"a": NaN}', b'{"a": [Infinity]}', b'{"a": ' + b"1" * 5000 + b"}"])
async def test_numbers_that_are_no_json_are_no_document(body: bytes) -> None:
    web = HttpClient(httpx.MockTransport(lambda _request: httpx.Response(200, content=body)))
    with pytest.raises(ProviderUnavailable):
        await web.document("https://provider.test", "x")
