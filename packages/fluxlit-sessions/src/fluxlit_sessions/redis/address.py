"""Redis URLs, as values.

    redis://[user:password@]host[:6379][/db]                one server
    rediss://...                                            the same over TLS
    unix://[user:password@]/path/to/redis.sock[?db=0]       one server, UNIX socket
    redis+sentinel://[user:password@]host[:26379],host[:26379].../service[/db]
    rediss+sentinel://...                                   TLS to the servers and the Sentinels
    redis+cluster://[user:password@]host[:6379],host[:6379]...
    rediss+cluster://...                                    the same over TLS

Reserved characters in user, password and path are percent-encoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from urllib.parse import SplitResult, unquote, urlsplit

from fluxlit_sessions.errors import SessionStoreError


class Mode(Enum):
    """How the servers are found."""

    SINGLE = "redis"
    UNIX = "unix"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Address:
    """Where Redis is and how to log in.

    Attributes:
        mode: one server, Sentinels, or a Cluster.
        hosts: (host, port) of the server, the Sentinels or some nodes of the Cluster.
        path: of the UNIX socket.
        service: name of the primary that the Sentinels watch.
        db: number of the database.
        tls: encrypt, and check certificate and host name.
        username: of the ACL user; `None` for the default user.
        password: of that user.
        location: the URL without credentials and options.
    """

    mode: Mode
    hosts: tuple[tuple[str, int], ...]
    path: str
    service: str
    db: int
    tls: bool
    username: str | None
    password: str | None
    location: str


SCHEMES = {
    "redis": (Mode.SINGLE, False),
    "rediss": (Mode.SINGLE, True),
    "unix": (Mode.UNIX, False),
    "redis+sentinel": (Mode.SENTINEL, False),
    "rediss+sentinel": (Mode.SENTINEL, True),
    "redis+cluster": (Mode.CLUSTER, False),
    "rediss+cluster": (Mode.CLUSTER, True),
}
FORMS = "redis://host:6379/0, unix:///path/to.sock, redis+sentinel://host:26379,host/service, redis+cluster://host,host"


def parse(url: str, *, db: int = 0) -> Address:
    """Returns the address in a URL; its query is not looked at.

    Args:
        url: one of the forms above.
        db: the database when the URL's path has none.

    Raises:
        SessionStoreError: it is none of them. The message does not repeat the URL: it may hold a password.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _wrong(str(error)) from None
    if parts.scheme not in SCHEMES:
        raise SessionStoreError(f"{parts.scheme}:// is not a Redis URL; known are {', '.join(sorted(SCHEMES))}.")
    mode, tls = SCHEMES[parts.scheme]
    userinfo, _, hosts = parts.netloc.rpartition("@")
    username, _, password = (unquote(part) for part in userinfo.partition(":"))
    service, number, path = _path(parts, mode)
    address = Address(
        mode=mode,
        hosts=tuple(_host(item, 26379 if mode is Mode.SENTINEL else 6379) for item in hosts.split(",") if item),
        path=path,
        service=service,
        db=db if number is None else number,
        tls=tls,
        username=username or None,
        password=password or None,
        location=f"{parts.scheme}://{hosts}{parts.path}",
    )
    return _check(address)


def _path(parts: SplitResult, mode: Mode) -> tuple[str, int | None, str]:
    if mode is Mode.UNIX:
        return "", None, unquote(parts.path)
    steps = [unquote(step) for step in parts.path.split("/") if step]
    service = steps.pop(0) if mode is Mode.SENTINEL and steps else ""
    if len(steps) > 1 or (steps and not steps[0].isdecimal()) or (steps and mode is Mode.CLUSTER):
        raise _wrong(f"the path {parts.path!r} is not understood")
    return service, int(steps[0]) if steps else None, ""


def _host(text: str, default: int) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator or text.endswith("]"):  # no port; an IPv6 address stands in brackets
        host, port = text, str(default)
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise _wrong(f"{port!r} is not a port")
    return host.strip("[]"), int(port)


def _wrong(reason: str) -> SessionStoreError:
    return SessionStoreError(f"The Redis URL is wrong: {reason}. Forms: {FORMS}.")


def _check(address: Address) -> Address:
    if address.mode is Mode.UNIX:
        if not address.path or address.hosts:
            raise _wrong("a UNIX socket is given as unix:///path/to/redis.sock")
    elif not address.hosts:
        raise _wrong("it names no host")
    if address.mode is Mode.SINGLE and len(address.hosts) > 1:
        raise _wrong("several hosts need redis+sentinel:// or redis+cluster://")
    if address.mode is Mode.SENTINEL and not address.service:
        raise _wrong("the name of the service that the Sentinels watch is missing")
    return address
