"""Where an upstream listens."""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from fluxlit.proxy.errors import UpstreamTimeoutError, UpstreamUnreachableError

ProtocolT = TypeVar("ProtocolT", bound=asyncio.Protocol)

DEFAULT_PORTS = {"http": 80, "https": 443}


@functools.cache
def tls_context(ca_file: str = "") -> ssl.SSLContext:
    """The TLS client context of an authority; loading takes tens of ms.

    Args:
        ca_file: PEM file with the authorities; empty for those of the system.

    Raises:
        OSError: the file cannot be read, or has no certificate.
    """
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@dataclass(frozen=True)
class Address:
    """An upstream address: UNIX socket or TCP port, with or without TLS.

    Attributes:
        host: host name or IP address; empty for a UNIX socket.
        port: TCP port; 0 for a UNIX socket.
        path: file of a UNIX socket; empty for TCP.
        tls: whether TCP is wrapped in TLS, with a verified certificate.
        ca_file: PEM file with the authorities to trust; empty for those of the system.
        server_name: name in the certificate, if it is not `host`.
        base: path that stands before every request target, without a trailing slash.
    """

    host: str = ""
    port: int = 0
    path: str = ""
    tls: bool = False
    base: str = ""
    ca_file: str = ""
    server_name: str = ""

    @classmethod
    def unix(cls, path: str, *, base: str = "") -> Address:
        """A UNIX socket at `path`."""
        return cls(path=path, base=base)

    @classmethod
    def parse(cls, url: str, *, ca_file: str = "", server_name: str = "") -> Address:
        """Read ``http://host[:port][/base]``, ``https://...`` or ``unix:/path``.

        Args:
            url: the address.
            ca_file: as the attribute.
            server_name: as the attribute.

        Raises:
            ValueError: the text is none of these.
        """
        if url.startswith("unix:"):
            path = url.removeprefix("unix:").removeprefix("//")
            if not path.startswith("/"):
                raise ValueError(f"{url!r} is not an upstream: a UNIX socket is written unix:/absolute/path")
            return cls.unix(path)
        parts = urlsplit(url)
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise ValueError(f"{url!r} is not an upstream: write http://host:port, https://host:port or unix:/path")
        port = parts.port or DEFAULT_PORTS[parts.scheme]
        tls, base = parts.scheme == "https", parts.path.rstrip("/")
        return cls(parts.hostname, port, tls=tls, base=base, ca_file=ca_file, server_name=server_name)

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{self.base}"

    async def connect(self, factory: Callable[[], ProtocolT], *, within: float) -> ProtocolT:
        """Open a connection and return its protocol.

        Args:
            factory: makes the protocol of the new connection.
            within: seconds that connecting may take, TLS included; 0 means no limit.

        Raises:
            UpstreamUnreachableError: the connection is refused.
            UpstreamTimeoutError: the time is over.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(within or None):
                if self.path:
                    return (await loop.create_unix_connection(factory, self.path))[1]
                context = tls_context(self.ca_file) if self.tls else None
                name = (self.server_name or self.host) if self.tls else None
                options: dict[str, Any] = {"ssl": context, "server_hostname": name}
                return (await loop.create_connection(factory, self.host, self.port, **options))[1]
        except TimeoutError as error:
            raise UpstreamTimeoutError(f"{self} did not accept a connection within {within:g} s") from error
        except OSError as error:
            raise UpstreamUnreachableError(f"{self} cannot be reached: {error.strerror or error}") from error
