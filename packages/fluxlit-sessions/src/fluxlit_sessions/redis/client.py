"""Clients of redis-py, and the meaning of its errors.

No other module imports redis-py.

Its own retries are off. Since version 8 they default to ten, unaware of whether a command
may be repeated; here transport.py repeats, and every request is made to be repeated.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import redis
import redis.asyncio
import redis.asyncio.cluster
import redis.asyncio.sentinel
import redis.cluster
import redis.exceptions as failures
import redis.sentinel
from redis.backoff import NoBackoff
from redis.retry import Retry

from fluxlit_sessions.redis.address import Address, Mode
from fluxlit_sessions.redis.requests import Request

AsyncRetry = redis.asyncio.retry.Retry

FAILURES = (redis.RedisError, failures.RedisClusterException, OSError, TimeoutError)
"""All errors with which a client reports a failed request."""

# Errors that time heals: a restart, a failover, a Cluster that is finding itself, a long script.
_TRANSIENT = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ReadOnlyError,
    failures.ClusterError,
    failures.TryAgainError,
    failures.MovedError,
    failures.AskError,
    failures.RedisClusterException,
    OSError,
    TimeoutError,
)
_TRANSIENT_REPLIES = ("NOREPLICAS", "BUSY ", "UNBLOCKED", "LOADING", "CLUSTERDOWN", "MASTERDOWN")
_FINAL = (redis.AuthenticationError, failures.AuthorizationError, failures.NoPermissionError)
_NOT_SENT = (redis.ReadOnlyError, failures.MaxConnectionsError, failures.BusyLoadingError, failures.ClusterDownError)


_NO_GET = re.compile(r"unknown command [`'\"]GET\b", re.IGNORECASE)
"""The response of a server without data."""


class NotReplicated(Exception):
    """Too few replicas confirmed a write in time."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to talk to Redis.

    Attributes:
        connect_timeout: seconds for a connection to be made.
        timeout: seconds for the response to one request.
        read_budget: seconds in which a failed read is tried again.
        write_budget: seconds in which a failed write is tried again.
        pool_size: most connections to one server, for blocking code and for each event loop.
        replicas: replicas that must have a write before it counts as done.
        ssl_ca_certs: file with the certificates of the authorities to trust; default those of the system.
        ssl_certfile: file with the certificate of this client.
        ssl_keyfile: file with its key.
        sentinel_username: user for the Sentinels themselves.
        sentinel_password: its password.
    """

    connect_timeout: float = 1.0
    timeout: float = 1.0
    read_budget: float = 2.0
    write_budget: float = 5.0
    pool_size: int = 64
    replicas: int = 0
    ssl_ca_certs: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Connected:
    """A client and the function that closes it, async for an async client."""

    client: Any
    close: Callable[[], Any]


def connect(address: Address, options: Options) -> Connected:
    """Returns a blocking client.

    It connects when it is used, except to a Cluster, to fetch its layout.
    """
    settings = _settings(address, options) | {"retry": Retry(NoBackoff(), 0)}
    client: Any
    match address.mode:
        case Mode.SENTINEL:
            sentinel: Any = _Sentinels  # the stubs of redis-py lack types, as those of the next one
            watchers = sentinel(list(address.hosts), sentinel_kwargs=_sentinel(settings, options), **settings)
            client = watchers.master_for(address.service, redis_connect_func=_greet_primary)

            def close() -> None:
                client.close()
                watchers.close()

            return Connected(client, close)
        case Mode.CLUSTER:
            node: Any = redis.cluster.ClusterNode
            client = redis.RedisCluster(startup_nodes=[node(*host) for host in address.hosts], **settings)
        case _:
            client = redis.Redis(**_place(address), **settings)
    return Connected(client, client.close)


class _Sentinels(redis.sentinel.Sentinel):
    """Reports why no Sentinel responds: redis-py leaves out the message."""

    def discover_master(self, service_name: str) -> Any:
        try:
            return super().discover_master(service_name)  # type: ignore[no-untyped-call]
        except failures.ConnectionError:
            self.sentinels[0].ping()  # raises the reason, such as a certificate that is not trusted
            raise


def _greet_primary(connection: Any) -> None:
    """Begin a connection, and refuse a server that is no primary.

    A Sentinel that has not learned of a failover names the old primary. Just started as a replica, that one has
    no data yet: sessions would seem to be gone. Redis asks clients of Sentinels for this check.
    """
    connection.on_connect()
    with contextlib.suppress(failures.NoPermissionError):  # rights of an ACL user from before this check
        connection.send_command("ROLE")
        _refuse_replica(connection.read_response())


async def _agreet_primary(connection: Any) -> None:
    await connection.on_connect()
    with contextlib.suppress(failures.NoPermissionError):
        await connection.send_command("ROLE")
        _refuse_replica(await connection.read_response())


def _refuse_replica(role: Any) -> None:
    if role[0] not in (b"master", "master"):
        raise failures.ConnectionError("Sentinel names a server that is a replica")


class _AsyncSentinels(redis.asyncio.sentinel.Sentinel):
    """The same for event loops."""

    async def discover_master(self, service_name: str) -> Any:
        try:
            return await super().discover_master(service_name)
        except failures.ConnectionError:
            await self.sentinels[0].ping()
            raise


def aconnect(address: Address, options: Options) -> Connected:
    """Returns an async client for the running event loop."""
    settings = _settings(address, options) | {"retry": AsyncRetry(NoBackoff(), 0)}
    client: Any
    match address.mode:
        case Mode.SENTINEL:
            sentinel: Any = _AsyncSentinels
            watchers = sentinel(list(address.hosts), sentinel_kwargs=_sentinel(settings, options), **settings)
            client = watchers.master_for(address.service, redis_connect_func=_agreet_primary)

            async def close() -> None:
                await client.aclose()
                for watcher in watchers.sentinels:
                    await watcher.aclose()

            return Connected(client, close)
        case Mode.CLUSTER:
            nodes = [redis.asyncio.cluster.ClusterNode(*host) for host in address.hosts]
            client = redis.asyncio.RedisCluster(startup_nodes=nodes, **settings)
        case _:
            client = redis.asyncio.Redis(**_place(address), **settings)
    return Connected(client, client.aclose)


def _settings(address: Address, options: Options) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "username": address.username,
        "password": address.password,
        "socket_connect_timeout": options.connect_timeout,
        "socket_timeout": options.timeout,
        "max_connections": options.pool_size,
        "protocol": 2,  # plain requests and replies: no handshake, no push messages to wait for
        "driver_info": None,  # no CLIENT SETINFO: it costs a round trip and a permission
    }
    if address.mode is not Mode.CLUSTER:
        settings["db"] = address.db
    if address.tls:
        files = {name: getattr(options, name) for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")}
        settings |= {"ssl": True} | {name: file for name, file in files.items() if file}
    return settings


def _sentinel(settings: dict[str, Any], options: Options) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in ("db", "max_connections")} | {
        "username": options.sentinel_username,
        "password": options.sentinel_password,
    }


def _place(address: Address) -> dict[str, Any]:
    if address.mode is Mode.UNIX:
        return {"unix_socket_path": address.path}
    host, port = address.hosts[0]
    return {"host": host, "port": port}


def transient(error: BaseException) -> bool:
    """Returns whether another attempt can succeed."""
    if isinstance(error, _FINAL):
        return False
    return isinstance(error, (*_TRANSIENT, NotReplicated)) or str(error).startswith(_TRANSIENT_REPLIES)


def of_cluster(error: BaseException) -> bool:
    """Returns whether the error shows that the server belongs to a Cluster."""
    kinds = (failures.MovedError, failures.AskError, failures.ClusterDownError, failures.ClusterCrossSlotError)
    return isinstance(error, kinds) or str(error).startswith("MOVED ")


def of_sentinel(error: BaseException) -> bool:
    """Returns whether the error shows that the server is a Sentinel."""
    return _NO_GET.match(str(error)) is not None


def full(error: BaseException) -> bool:
    """Returns whether Redis has reached its maxmemory."""
    return isinstance(error, failures.OutOfMemoryError) or "OOM command not allowed" in str(error)


def maybe_applied(error: BaseException) -> bool:
    """Returns whether a request with this error may have been executed."""
    if isinstance(error, NotReplicated):
        return True
    if isinstance(error, (*_NOT_SENT, *_FINAL)) or "connecting to" in str(error):
        return False
    return isinstance(error, (redis.ConnectionError, redis.TimeoutError, OSError, TimeoutError))


def missing_script(replies: list[Any]) -> bool:
    """Returns whether the server lacks the script, as after a restart."""
    return any(isinstance(reply, failures.NoScriptError) for reply in replies)


def checked(replies: list[Any], request: Request, replicas: int) -> tuple[Any, ...]:
    """Returns the replies to a request, or raises the first error."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    if len(replies) > len(request.calls) and replies[-1] < replicas:
        raise NotReplicated(f"{replies[-1]} of {replicas} replicas confirmed the write")
    return tuple(replies[: len(request.calls)])
