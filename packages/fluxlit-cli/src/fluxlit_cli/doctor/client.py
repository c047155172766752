"""HTTP client for checks of a deployment; caches responses."""

from __future__ import annotations

import base64
import gzip
import http.client
import os
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

LARGEST = 8_000_000
"""Maximum bytes read of a body."""


class NoResponseError(Exception):
    """There was no response, for the reason in the message."""


@dataclass(frozen=True)
class Response:
    """An HTTP response.

    Attributes:
        status: the status code.
        headers: the headers in order, with names in lower case.
        body: the body as it was sent, before decoding.
        seconds: time to the end of the body.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    seconds: float

    def all(self, name: str) -> list[str]:
        """Return all values of a header."""
        return [value for key, value in self.headers if key == name]

    def get(self, name: str) -> str:
        """Return the value of a header, several joined; empty if missing."""
        return ", ".join(self.all(name))

    @property
    def text(self) -> str:
        """The body, decompressed if the standard library can."""
        encoding = self.get("content-encoding").strip().lower()
        body = self.body
        if encoding in {"gzip", "x-gzip"}:
            body = gzip.decompress(body)
        elif encoding == "deflate":
            body = zlib.decompress(body)
        return body.decode("utf-8", "replace")


class Client:
    """A client of one deployment.

    Args:
        url: its public address: scheme, host, and the public prefix if there is one.
        timeout: seconds for each step.

    Attributes:
        url: the address without a slash at the end.
        secure: it is HTTPS.
        host: name and port, as in a Host header.
        prefix: the public prefix; empty for none.
    """

    def __init__(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is not a URL of the form https://host or https://host/prefix")
        self.prefix = parts.path.rstrip("/")
        self.url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{self.prefix}"
        self.secure = parts.scheme == "https"
        self.host = parts.netloc.rpartition("@")[2]
        self.name = parts.hostname
        self.port = parts.port or (443 if self.secure else 80)
        self._timeout = timeout
        self._locks: dict[str, threading.Lock] = {}
        self._cache: dict[str, Response | NoResponseError] = {}

    def get(self, path: str, **headers: str) -> Response:
        """Request a path below the prefix.

        Equal requests of several checks are sent once.

        Raises:
            NoResponseError: there is no response.
        """
        key = f"{path} {sorted(headers.items())}"
        with self._locks.setdefault(key, threading.Lock()):
            cached = self._cache.get(key)
            if cached is None:
                cached = self._cache[key] = self._request(f"{self.prefix}{path}", headers)
        if isinstance(cached, NoResponseError):
            raise cached
        return cached

    def get_absolute(self, path: str) -> Response:
        """Request a path of the host, regardless of the prefix."""
        found = self._request(path, {})
        if isinstance(found, NoResponseError):
            raise found
        return found

    def resolve(self, link: str) -> str:
        """Return the path of a link below the prefix, empty for others."""
        target = urljoin(f"{self.url}/", link)
        return target.removeprefix(self.url) if target.startswith(f"{self.url}/") else ""

    def handshake(self, path: str, origin: str) -> Response:
        """Open a WebSocket as Streamlit's front end does, and close it.

        Raises:
            NoResponseError: there is no response.
        """
        headers = {
            "upgrade": "websocket",
            "connection": "Upgrade",
            "sec-websocket-version": "13",
            "sec-websocket-key": base64.b64encode(os.urandom(16)).decode(),
            "sec-websocket-protocol": "streamlit",
            "origin": origin,
        }
        found = self._request(f"{self.prefix}{path}", headers, read=False)
        if isinstance(found, NoResponseError):
            raise found
        return found

    def certificate_end(self) -> float | None:
        """Return when the certificate expires, in seconds since the epoch.

        `None` without TLS.

        Raises:
            NoResponseError: the certificate is invalid, or there is no response.
        """
        try:
            with socket.create_connection((self.name, self.port), self._timeout) as connection:
                if not self.secure:
                    return None
                context = ssl.create_default_context()
                with context.wrap_socket(connection, server_hostname=self.name) as secure:
                    end = (secure.getpeercert() or {}).get("notAfter")
                    return ssl.cert_time_to_seconds(str(end))
        except OSError as error:
            raise NoResponseError(_reason(error, self._timeout)) from None

    def connection_problem(self) -> str:
        """Return why no connection can be opened, empty if it can."""
        try:
            self.certificate_end()
        except NoResponseError as error:
            return str(error)
        return ""

    def _request(self, path: str, extra: Mapping[str, str], *, read: bool = True) -> Response | NoResponseError:
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        connection = kind(self.name, self.port, timeout=self._timeout)
        started = time.monotonic()
        headers = {"host": self.host, "user-agent": "fluxlit-doctor", "accept": "*/*", "connection": "close"}
        headers |= {name.replace("_", "-"): value for name, value in extra.items()}
        try:
            connection.putrequest("GET", path or "/", skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            body = response.read(LARGEST) if read and response.status != http.client.SWITCHING_PROTOCOLS else b""
            found = tuple((name.lower(), value) for name, value in response.getheaders())
            return Response(response.status, found, body, time.monotonic() - started)
        except (OSError, http.client.HTTPException) as error:
            return NoResponseError(_reason(error, self._timeout))
        finally:
            connection.close()


def _reason(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no response within {timeout:g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not valid: {error.verify_message}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
