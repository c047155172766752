"""A visitor of a running deployment: asks as a browser does, and keeps what it was answered."""

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
"""Bytes that are read of a body at most."""


class SilenceError(Exception):
    """There was no answer; the message says why."""


@dataclass(frozen=True)
class Reply:
    """What a request was answered with.

    Attributes:
        status: its status.
        fields: its fields, in order, names in lower case.
        body: its body as it was sent, before any decoding.
        seconds: time to the end of the body.
    """

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes
    seconds: float

    def all(self, name: str) -> list[str]:
        """The values of a field."""
        return [value for key, value in self.fields if key == name]

    def get(self, name: str) -> str:
        """The value of a field, those of several joined; empty if there is none."""
        return ", ".join(self.all(name))

    @property
    def text(self) -> str:
        """The body, decoded as far as the standard library can."""
        coding = self.get("content-encoding").strip().lower()
        body = self.body
        if coding in {"gzip", "x-gzip"}:
            body = gzip.decompress(body)
        elif coding == "deflate":
            body = zlib.decompress(body)
        return body.decode("utf-8", "replace")


class Visitor:
    """Asks one deployment.

    Args:
        url: its public address: scheme, host, and the public prefix if there is one.
        within: seconds for each step.

    Attributes:
        url: the address without a slash at the end.
        secure: it is HTTPS.
        host: name and port, as in a Host field.
        prefix: the public prefix; empty for none.
    """

    def __init__(self, url: str, within: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} is no address of the form https://host or https://host/prefix")
        self.prefix = parts.path.rstrip("/")
        self.url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{self.prefix}"
        self.secure = parts.scheme == "https"
        self.host = parts.netloc.rpartition("@")[2]
        self.name = parts.hostname
        self.port = parts.port or (443 if self.secure else 80)
        self._within = within
        self._locks: dict[str, threading.Lock] = {}
        self._known: dict[str, Reply | SilenceError] = {}

    def get(self, path: str, **fields: str) -> Reply:
        """Ask for a path below the prefix.

        The same question is asked once, however many checks want to know.

        Raises:
            SilenceError: there is no answer.
        """
        key = f"{path} {sorted(fields.items())}"
        with self._locks.setdefault(key, threading.Lock()):
            known = self._known.get(key)
            if known is None:
                known = self._known[key] = self._asked(f"{self.prefix}{path}", fields)
        if isinstance(known, SilenceError):
            raise known
        return known

    def get_absolute(self, path: str) -> Reply:
        """Ask for a path of the host, prefix or not."""
        found = self._asked(path, {})
        if isinstance(found, SilenceError):
            raise found
        return found

    def resolve(self, link: str) -> str:
        """The path below the prefix that a link on the page leads to; empty if it leads elsewhere."""
        target = urljoin(f"{self.url}/", link)
        return target.removeprefix(self.url) if target.startswith(f"{self.url}/") else ""

    def handshake(self, path: str, origin: str) -> Reply:
        """Try to open a WebSocket as Streamlit's front end does; it is closed at once.

        Raises:
            SilenceError: there is no answer.
        """
        fields = {
            "upgrade": "websocket",
            "connection": "Upgrade",
            "sec-websocket-version": "13",
            "sec-websocket-key": base64.b64encode(os.urandom(16)).decode(),
            "sec-websocket-protocol": "streamlit",
            "origin": origin,
        }
        found = self._asked(f"{self.prefix}{path}", fields, read=False)
        if isinstance(found, SilenceError):
            raise found
        return found

    def certificate_end(self) -> float | None:
        """When the certificate expires, in seconds since the epoch; `None` without TLS.

        Raises:
            SilenceError: the certificate is not valid, or nobody is there.
        """
        if not self.secure:
            return None
        try:
            with socket.create_connection((self.name, self.port), self._within) as connection:
                context = ssl.create_default_context()
                with context.wrap_socket(connection, server_hostname=self.name) as secure:
                    end = (secure.getpeercert() or {}).get("notAfter")
                    return ssl.cert_time_to_seconds(str(end))
        except OSError as error:
            raise SilenceError(_why(error, self._within)) from None

    def _asked(self, path: str, fields: Mapping[str, str], *, read: bool = True) -> Reply | SilenceError:
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        connection = kind(self.name, self.port, timeout=self._within)
        started = time.monotonic()
        told = {"host": self.host, "user-agent": "fluxlit-doctor", "accept": "*/*", "connection": "close"}
        told |= {name.replace("_", "-"): value for name, value in fields.items()}
        try:
            connection.putrequest("GET", path or "/", skip_host=True, skip_accept_encoding=True)
            for name, value in told.items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            body = answer.read(LARGEST) if read and answer.status != http.client.SWITCHING_PROTOCOLS else b""
            found = tuple((name.lower(), value) for name, value in answer.getheaders())
            return Reply(answer.status, found, body, time.monotonic() - started)
        except (OSError, http.client.HTTPException) as error:
            return SilenceError(_why(error, self._within))
        finally:
            connection.close()


def _why(error: Exception, within: float) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing came within {within:g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not valid: {error.verify_message}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
