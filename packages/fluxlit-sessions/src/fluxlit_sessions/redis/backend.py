# ruff: noqa: D102 - the methods are those of Backend and documented there
"""The Redis store: options, backend, store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast

from fluxlit_sessions.commands import Command
from fluxlit_sessions.errors import SessionStoreError
from fluxlit_sessions.options import StoreOptions, check_namespace, check_options
from fluxlit_sessions.redis.address import Address, Mode, parse
from fluxlit_sessions.redis.plans import PINGS, Plans
from fluxlit_sessions.store import SessionStore

if TYPE_CHECKING:
    from fluxlit_sessions.redis.transport import AsyncTransport, Transport

R = TypeVar("R")


class RedisOptions(StoreOptions, total=False):
    """`StoreOptions` and what Redis adds.

    Attributes:
        connect_timeout: seconds for a connection to be made. Default 1.
        timeout: seconds for the response to one request. Default 1.
        read_budget: seconds in which a failed read is tried again. Default 2.
        write_budget: seconds in which a failed write is tried again. Default 5.
        db: number of the database, unless the URL has one. Default 0.
        pool_size: most connections to one server, for blocking code and for each event loop. Default 64.
        replicas: replicas that must confirm a write (WAIT) before it counts as done; not on a Cluster. Default 0.
        ssl_ca_certs: file with the certificates of the authorities to trust. Default: the system's.
        ssl_certfile: file with this client's certificate.
        ssl_keyfile: file with its key.
        sentinel_username: user at the Sentinels themselves.
        sentinel_password: its password.
    """

    connect_timeout: float
    timeout: float
    read_budget: float
    write_budget: float
    db: int
    pool_size: int
    replicas: int
    ssl_ca_certs: str
    ssl_certfile: str
    ssl_keyfile: str
    sentinel_username: str
    sentinel_password: str


class RedisBackend:
    """Executes commands on Redis."""

    name = "redis"

    def __init__(self, location: str, plans: Plans, transport: Transport, async_transport: AsyncTransport) -> None:
        self.location = location
        self._plans, self._transport, self._async_transport = plans, transport, async_transport

    def execute(self, command: Command[R]) -> R:
        return cast(R, self._transport.run(self._plans.plan(command)))

    async def aexecute(self, command: Command[R]) -> R:
        return cast(R, await self._async_transport.run(self._plans.plan(command)))

    def advice(self) -> str:
        return self._transport.advice()

    def close(self) -> None:
        self._transport.close()

    async def aclose(self) -> None:
        await self._async_transport.close()
        await asyncio.to_thread(self._transport.close)


def _backend(address: Address, options: Mapping[str, Any]) -> RedisBackend:
    try:
        from fluxlit_sessions.redis.client import Options  # noqa: PLC0415 - redis-py is optional
        from fluxlit_sessions.redis.transport import AsyncTransport, Transport  # noqa: PLC0415
    except ImportError as error:
        raise SessionStoreError(
            'Sessions in Redis need the package redis: pip install "fluxlit-sessions[redis]".'
        ) from error
    clock = options.get("clock")
    chosen = Options(**{item.name: options[item.name] for item in fields(Options) if item.name in options})
    if chosen.replicas and address.mode is Mode.CLUSTER:
        raise SessionStoreError("replicas is not for a Cluster; set min-replicas-to-write on its servers instead.")
    return RedisBackend(
        address.location,
        Plans(
            check_namespace(options.get("namespace", "default")),
            (lambda: int(clock() * 1000)) if clock else lambda: None,
            location=address.location,
            pings=1 if address.mode is Mode.CLUSTER else PINGS,
        ),
        Transport(address, chosen),
        AsyncTransport(address, chosen),
    )


class RedisSessionStore(SessionStore):
    """Sessions in Redis: one server, Sentinel or Cluster.

    It connects when it is first used. Tested with Redis 7.0.

    Args:
        url: see address.py for the forms. Options in its query win over `options`.
        options: see `RedisOptions`.

    Raises:
        SessionStoreError: the URL or an option is wrong, or redis-py is missing.
    """

    def __init__(self, url: str, **options: Unpack[RedisOptions]) -> None:
        check_options(options, RedisOptions.__optional_keys__)
        address = parse(url, db=options.get("db", 0))
        chosen: Any = {**options, **address.options}
        super().__init__(_backend(address, chosen), chosen)
