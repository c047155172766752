"""Asking a FluxLit server on this machine, over a port or a UNIX socket, with the standard library alone.

The certificate is not checked: it is made out to the public name, and the question never leaves this machine.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit


class SilentServerError(Exception):
    """There is no answer.

    Attributes:
        address: who did not answer.
    """

    def __init__(self, address: str, reason: str) -> None:
        self.address = address
        super().__init__(f"{address} does not answer: {reason}")


@dataclass(frozen=True)
class Answer:
    """An answer, read to its end.

    Attributes:
        status: its status code.
        body: its body as text.
    """

    status: int
    body: str


class _Connection(http.client.HTTPConnection):
    """HTTP over whatever the address names."""

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


def ask(address: str, path: str, *, within: float, tls: bool = False) -> Answer:
    """Send a GET and read the answer.

    Args:
        address: ``http://host:port``, ``https://host:port`` or ``unix:/path``.
        path: what to ask for.
        within: seconds that each step may take.
        tls: the UNIX socket speaks TLS.

    Raises:
        SilentServerError: nobody answers.
    """
    connection = _Connection(address, within, tls=tls)
    try:
        connection.request("GET", path, headers={"Host": "localhost", "Connection": "close"})
        response = connection.getresponse()
        return Answer(response.status, response.read().decode("utf-8", "replace"))
    except TimeoutError:
        raise SilentServerError(address, f"nothing came within {within:g} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise SilentServerError(address, getattr(error, "strerror", None) or str(error) or "no HTTP") from None
    finally:
        connection.close()


def _port(address: str) -> int:
    if address.startswith("unix:"):
        return 80
    parts = urlsplit(address)
    return parts.port or (443 if parts.scheme == "https" else 80)
