"""`HttpClient`: small JSON documents, strict limits, no redirects."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx

from fluxlit_auth.claims import duration
from fluxlit_auth.errors import AuthConfigError, ProviderUnavailable, RequestRefused

TIMEOUT_S = 10.0
MAX_BYTES = 1024 * 1024
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
PRIVATE_NAMES = (".localhost", ".internal", ".local", ".svc", ".home.arpa")
"""Endings of names that are not in the public DNS (RFC 6761, RFC 6762, RFC 8375), and those of Kubernetes."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response of a provider.

    Attributes:
        status: HTTP status, at most 499; above are errors.
        content_type: without parameters, in lower case.
        body: unchanged.
    """

    status: int
    content_type: str
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def error(self) -> str:
        """The OAuth error code in the body; empty if there is none."""
        try:
            code = self.document("").get("error")
        except ProviderUnavailable:
            code = None
        return code if isinstance(code, str) else ""

    def document(self, what: str) -> dict[str, Any]:
        """Return the JSON object in the body.

        Args:
            what: name of the document, for the error message.

        Raises:
            ProviderUnavailable: the body is no JSON object.
        """
        document = self._json()
        if not isinstance(document, dict):
            raise ProviderUnavailable(f"{what}: the response ({self.status}) is no JSON object")
        return document

    def members(self, what: str) -> list[Any]:
        """Return the JSON array in the body.

        Raises:
            ProviderUnavailable: the body is no JSON array.
        """
        document = self._json()
        if not isinstance(document, list):
            raise ProviderUnavailable(f"{what}: the response ({self.status}) is no JSON array")
        return document

    def _json(self) -> Any:
        try:
            return json.loads(self.body, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return None


class HttpClient:
    """An HTTP client for one provider.

    Args:
        transport: for tests: replaces the network.
        timeout: seconds for each step of one request.

    Raises:
        TypeError: the transport is of another library.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None, timeout: float = TIMEOUT_S) -> None:
        _check_transport(transport)
        self._transport, self._timeout = transport, timeout
        self._client: httpx.AsyncClient | None = None

    async def document(self, url: str, what: str) -> dict[str, Any]:
        """Fetch a JSON object.

        Args:
            url: address.
            what: name of the document, for error messages.

        Raises:
            ProviderUnavailable: it cannot be fetched.
        """
        return (await self.get(url, what)).document(what)

    async def get(self, url: str, what: str, *, bearer: str = "", accept: str = "application/json") -> HttpResponse:
        """Fetch a resource.

        Args:
            url: address.
            what: name of the resource, for error messages.
            bearer: access token to send.
            accept: media types.

        Raises:
            RequestRefused: the provider responds 4xx.
            ProviderUnavailable: it cannot be fetched.
        """
        headers = {"accept": accept, **({"authorization": f"Bearer {bearer}"} if bearer else {})}
        response = await self.send("GET", url, what, headers=headers)
        if response.status >= 400:
            raise RequestRefused(f"{what}: {host_of(url)} responded {response.status}")
        return response

    async def send(
        self,
        method: str,
        url: str,
        what: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """Send one request.

        Raises:
            ProviderUnavailable: no response, a server error, a redirect, or more than a mebibyte.
        """
        request = self._opened().build_request(
            method,
            url,
            data=dict(form) if form is not None else None,
            headers={"accept": "application/json", **(headers or {})},
        )
        try:
            # `Auth()` adds nothing: without it, credentials of a .netrc file would be sent.
            response = await self._opened().send(request, auth=httpx.Auth(), stream=True)
            try:
                return await self._read(response, what, host_of(url))
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ProviderUnavailable(f"{what}: {host_of(url)} cannot be reached ({_reason(error)})") from error

    async def close(self) -> None:
        """Close connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(transport=self._transport, timeout=self._timeout, follow_redirects=False)
        return self._client

    async def _read(self, response: httpx.Response, what: str, host: str) -> HttpResponse:
        if response.status_code >= 500 or response.status_code == 429:
            raise ProviderUnavailable(
                f"{what}: {host} responded {response.status_code}", retry_after=_retry_after(response)
            )
        if response.status_code >= 300 and response.status_code < 400:
            raise ProviderUnavailable(f"{what}: {host} sent a redirect, which is not followed")
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_BYTES:
                raise ProviderUnavailable(f"{what}: {host} sent more than {MAX_BYTES} bytes")
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return HttpResponse(response.status_code, content_type, bytes(body))


def checked_url(url: object, what: str, *, plain: bool, private: bool = False) -> str:
    """Return a URL to which tokens and codes may be sent.

    Args:
        url: the URL.
        what: its name, for the error message.
        plain: allow plain HTTP on this machine, because the issuer uses it too.
        private: allow plain HTTP in a private network, because the operator has named this address.

    Raises:
        AuthConfigError: it is no URL, or uses no TLS (RFC 9700 section 2.6).
    """
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        usable = parts is not None and bool(parts.hostname) and parts.username is None and not parts.fragment
        usable = usable and (parts is None or parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or parts is None or not isinstance(url, str) or not url.isascii() or not url.isprintable():
        raise AuthConfigError(f"{what} must be a URL such as https://login.example.com")
    host = parts.hostname or ""
    if parts.scheme == "https":
        return url
    if parts.scheme == "http" and ((plain and is_loopback(host)) or (private and is_private(host))):
        return url
    where = "on this machine or in a private network" if private else "on this machine"
    raise AuthConfigError(f"{what} must begin with https://; plain http:// is for a provider {where} only")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine: requests to it never enter a network."""
    return host in LOOPBACK or host.endswith(".localhost")


def is_private(host: str) -> bool:
    """Whether a host cannot be one of the public network.

    A name without a dot, as in a Compose file, a name of a cluster, or a private address.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return bool(host) and ("." not in host or host.endswith(PRIVATE_NAMES))
    return address.is_private


def host_of(url: str) -> str:
    """Return the host of a URL; the rest can contain secrets."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _reason(error: BaseException) -> str:
    """Return why a request failed.

    The message of the error is not repeated: it can contain a URL with its query.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}. SSL_CERT_FILE names further authorities"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {cause.reason}"
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def _refuse(constant: str) -> Any:
    """Refuse NaN and Infinity, which are not JSON."""
    raise ValueError(constant)


def _retry_after(response: httpx.Response) -> float:
    text = response.headers.get("retry-after", "")
    return max(1.0, min(duration(text) or 5.0, 300.0))


def _check_transport(transport: object) -> None:
    if not isinstance(transport, httpx.AsyncBaseTransport | None):
        kind = type(transport)
        raise TypeError(
            f"transport must be an httpx.AsyncBaseTransport, such as httpx.MockTransport, not "
            f"{kind.__module__}.{kind.__qualname__}."
        )
