"""HTTP client for a FluxLit server on this machine.

Connects to a port or a UNIX socket. The certificate is not verified: it is issued for the public name, and the
request never leaves this machine.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit


class NoResponseError(Exception):
    """The server sent no response.

    Attributes:
        address: the address of the server.
    """

    def __init__(self, address: str, reason: str) -> None:
        self.address = address
        super().__init__(f"{address} does not respond: {reason}")


@dataclass(frozen=True)
class Response:
    """A complete HTTP response.

    Attributes:
        status: the status code.
        body: the decoded body.
    """

    status: int
    body: str


class _Connection(http.client.HTTPConnection):
    """An HTTP connection to a port or a UNIX socket."""

    def __init__(self, address: str, timeout: float, *, tls: bool) -> None:
        self._address = address
        self._tls = tls or address.startswith("https:")
        parts = urlsplit(address)
        super().__init__(parts.hostname or "localhost", _port(address), timeout=timeout)

    def connect(self) -> None:
        if self._address.startswith("unix:"):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(self._address.removeprefix("unix:"))
        else:
            super().connect()
        if self._tls:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)


def get(address: str, path: str, *, timeout: float, tls: bool = False) -> Response:
    """Send a GET request and return the response.

    Args:
        address: ``http://host:port``, ``https://host:port`` or ``unix:/path``.
        path: the path to request.
        timeout: seconds for each step.
        tls: use TLS over the UNIX socket.

    Raises:
        NoResponseError: the server sent no response.
    """
    connection = _Connection(address, timeout, tls=tls)
    try:
        connection.request("GET", path, headers={"Host": "localhost", "Connection": "close"})
        response = connection.getresponse()
        return Response(response.status, response.read().decode("utf-8", "replace"))
    except TimeoutError:
        raise NoResponseError(address, f"no response within {timeout:g} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise NoResponseError(address, getattr(error, "strerror", None) or str(error) or "no HTTP") from None
    finally:
        connection.close()


def _port(address: str) -> int:
    if address.startswith("unix:"):
        return 80
    parts = urlsplit(address)
    return parts.port or (443 if parts.scheme == "https" else 80)
