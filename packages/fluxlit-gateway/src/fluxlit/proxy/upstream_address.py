"""Where an upstream listens."""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from fluxlit.proxy.errors import UpstreamTimeoutError, UpstreamUnreachableError

ProtocolT = TypeVar("ProtocolT", bound=asyncio.Protocol)

DEFAULT_PORTS = {"http": 80, "https": 443}


@functools.cache
def tls_context() -> ssl.SSLContext:
    """The one TLS client context; loading authorities takes tens of ms."""
    return ssl.create_default_context()


@dataclass(frozen=True)
class Address:
    """An upstream address: UNIX socket or TCP port, with or without TLS.

    Attributes:
        host: host name or IP address; empty for a UNIX socket.
        port: TCP port; 0 for a UNIX socket.
        path: file of a UNIX socket; empty for TCP.
        tls: whether TCP is wrapped in TLS, verified against the system's authorities.
        base: path that stands before every request target, without a trailing slash.
    """

    host: str = ""
    port: int = 0
    path: str = ""
    tls: bool = False
    base: str = ""

    @classmethod
    def unix(cls, path: str, *, base: str = "") -> Address:
        """A UNIX socket at `path`."""
        return cls(path=path, base=base)

    @classmethod
    def tcp(cls, host: str, port: int, *, base: str = "") -> Address:
        """A plain TCP port."""
        return cls(host=host, port=port, base=base)

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read ``http://host[:port][/base]``, ``https://...`` or ``unix:/path``.

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
        return cls(parts.hostname, port, tls=parts.scheme == "https", base=parts.path.rstrip("/"))

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
                context = tls_context() if self.tls else None
                return (await loop.create_connection(factory, self.host, self.port, ssl=context))[1]
        except TimeoutError as error:
            raise UpstreamTimeoutError(f"{self} did not accept a connection within {within:g} s") from error
        except OSError as error:
            raise UpstreamUnreachableError(f"{self} cannot be reached: {error.strerror or error}") from error
