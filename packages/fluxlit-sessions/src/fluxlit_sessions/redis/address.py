"""Redis URLs, as values.

    redis://[user:password@]host[:6379][/db]                one server
    unix://[user:password@]/path/to/redis.sock[?db=0]       one server, UNIX socket
    redis+sentinel://[user:password@]host[:26379],host[:26379].../service[/db]
    redis+cluster://[user:password@]host[:6379],host[:6379]...

``rediss`` in place of ``redis`` is TLS, to the Sentinels too. ``valkey`` and ``valkeys`` mean the same.

User, password and path may be percent-encoded. A password may also stand as it is, with any characters, as cloud
providers show it: the reading by RFC 3986 counts if it is valid, else the host begins after an ``@`` further right.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any
from urllib.parse import unquote

from fluxlit_sessions.errors import SessionStoreError
from fluxlit_sessions.options import read_query


class Mode(Enum):
    """How the servers are found, and the suffix of the scheme."""

    SINGLE = ""
    UNIX = "unix"
    SENTINEL = "+sentinel"
    CLUSTER = "+cluster"


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
        options: those in the query.
    """

    mode: Mode
    hosts: tuple[tuple[str, int], ...]
    path: str
    service: str
    db: int | None
    tls: bool
    username: str | None
    password: str | None = field(repr=False)
    location: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


SCHEMES: dict[str, tuple[Mode, bool]] = {"unix": (Mode.UNIX, False)} | {
    f"{name}{mode.value}": (mode, tls)
    for name, tls in (("redis", False), ("rediss", True), ("valkey", False), ("valkeys", True))
    for mode in (Mode.SINGLE, Mode.SENTINEL, Mode.CLUSTER)
}
FORMS = "redis://host:6379/0, unix:///path/to.sock, redis+sentinel://host:26379,host/service, redis+cluster://host,host"
OPTIONS: dict[str, type] = {
    **dict.fromkeys(("connect_timeout", "timeout", "read_budget", "write_budget"), float),
    **dict.fromkeys(("pool_size", "replicas", "db"), int),
    **dict.fromkeys(("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "sentinel_username", "sentinel_password"), str),
}
"""The options that a Redis URL can carry beside the common ones, and their types."""

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%[\w.]+)?\]|[^\s@:/?#\[\]]+)(?::([0-9]{1,5}))?")
_PLACE = re.compile(r"([^/?#]*)([^?#]*)(?:\?((?:[a-z_]+=[^&#]*&?)*))?")


def parse(url: str, *, db: int = 0) -> Address:
    """Returns the address in a URL, and the options in its query.

    Args:
        url: one of the forms above.
        db: the database when neither the path nor the query of the URL has one.

    Raises:
        SessionStoreError: it is none of the forms above. The message quotes nothing of the URL.
    """
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in SCHEMES:
        raise SessionStoreError(f"This is not a Redis URL. Forms: {FORMS}.")
    problems: list[SessionStoreError] = []
    for userinfo, place in _readings(rest):
        try:
            address, query = _address(scheme.lower(), userinfo, place)
        except SessionStoreError as error:
            problems.append(error)
            continue
        options = read_query(query, OPTIONS)
        return replace(address, options=options, db=options.get("db", db) if address.db is None else address.db)
    raise problems[0]


def _readings(rest: str) -> Iterator[tuple[str, str]]:
    """Yields the ways to split a URL before its host, likeliest first."""
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    cut = authority.rfind("@")
    yield rest[: max(cut, 0)], rest[cut + 1 :]
    if ":" in authority:  # a password begins before the first of these characters, and may go on behind it
        for found in reversed(list(re.finditer("@", rest[len(authority) :]))):
            cut = len(authority) + found.start()
            yield rest[:cut], rest[cut + 1 :]


def _address(scheme: str, userinfo: str, place: str) -> tuple[Address, str]:
    mode, tls = SCHEMES[scheme]
    found = _PLACE.fullmatch(place)
    if found is None:
        raise _wrong("its query is not understood")
    hosts, path, query = found[1], found[2], found[3] or ""
    username, _, password = (unquote(part) for part in userinfo.partition(":"))
    service, db, socket = _path(path, mode)
    address = Address(
        mode=mode,
        hosts=tuple(_host(item, 26379 if mode is Mode.SENTINEL else 6379) for item in hosts.split(",") if item),
        path=socket,
        service=service,
        db=db,
        tls=tls,
        username=username or None,
        password=password or None,
        location=f"{scheme}://{hosts}{path}",
    )
    return _checked(address), query


def _path(path: str, mode: Mode) -> tuple[str, int | None, str]:
    if mode is Mode.UNIX:
        return "", None, unquote(path)
    steps = [unquote(step) for step in path.split("/") if step]
    service = steps.pop(0) if mode is Mode.SENTINEL and steps else ""
    if len(steps) > 1 or (steps and not steps[0].isdecimal()) or (steps and mode is Mode.CLUSTER):
        raise _wrong("its path is not understood")
    return service, int(steps[0]) if steps else None, ""


def _host(text: str, default: int) -> tuple[str, int]:
    found = _HOST.fullmatch(text)
    if found is None or not 0 < (port := int(found[2] or default)) < 65536:
        raise _wrong("a host or its port is not valid")
    return found[1].strip("[]"), port


def _checked(address: Address) -> Address:
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


def _wrong(reason: str) -> SessionStoreError:
    return SessionStoreError(f"The Redis URL is wrong: {reason}. Forms: {FORMS}. A % in a password is written as %25.")
