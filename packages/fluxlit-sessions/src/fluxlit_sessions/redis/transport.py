"""Transports to Redis, blocking and async, that retry within a budget.

One attempt is one round trip: the calls of a request go out together. An attempt is
bounded by the timeouts of the client, all of them together by the budget plus one
attempt. The two classes differ in how they wait and in nothing else.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fluxlit_sessions.errors import SessionStoreFull, SessionStoreUnavailable
from fluxlit_sessions.redis.address import Address, Mode
from fluxlit_sessions.redis.client import (
    FAILURES,
    Connected,
    NotReplicated,
    Options,
    aconnect,
    checked,
    connect,
    full,
    maybe_applied,
    missing_script,
    of_cluster,
    of_sentinel,
    transient,
)
from fluxlit_sessions.redis.plans import Plan
from fluxlit_sessions.redis.requests import Arg, Reply, Request

FIRST_DELAY = 0.02
LONGEST_DELAY = 0.5
FULL = "Redis has reached its maxmemory and refuses what needs more. Raise maxmemory, or remove what else is in there"
OF_CLUSTER = (
    "this server belongs to a Redis Cluster. Write redis+cluster:// in place of redis://, rediss+cluster:// for TLS"
)
OF_SENTINEL = (
    "this server is a Redis Sentinel. Write redis+sentinel://host:port/service, rediss+sentinel:// for TLS, with the "
    "name of the service that it watches"
)


class Backoff:
    """Exponential back-off with jitter for one request, within a budget.

    Attributes:
        made: failed attempts so far.
    """

    def __init__(self, address: Address, options: Options, request: Request) -> None:
        self._address, self._request = address, request
        self._deadline = time.monotonic() + (options.write_budget if request.write else options.read_budget)
        self._doubt = False
        self.made = 0

    def left(self) -> float:
        """Returns the seconds that are left, never less than zero."""
        return max(0.0, self._deadline - time.monotonic())

    def failed(self, error: Exception) -> float:
        """Returns the seconds until the next attempt, or raises the final error."""
        longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0**self.made)
        delay = random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, keeps no secret
        self.made += 1
        self._doubt = self._doubt or maybe_applied(error)
        if full(error):
            raise SessionStoreFull(FULL, location=self._address.location) from error
        if self._address.mode is not Mode.CLUSTER and of_cluster(error):
            raise self.unavailable(OF_CLUSTER) from error
        if of_sentinel(error):
            raise self.unavailable(OF_SENTINEL) from error
        if delay >= self.left() or not transient(error):
            raise self.unavailable(f"{type(error).__name__}: {str(error)[:200]}") from error
        return delay

    def unavailable(self, reason: str) -> SessionStoreUnavailable:
        """Returns the error that ends the request."""
        return SessionStoreUnavailable(
            reason,
            location=self._address.location,
            attempts=max(1, self.made),
            may_have_applied=self._request.write and self._doubt,
        )


def advice_on(info: Mapping[str, Any]) -> str:
    """Returns how a server may lose data.

    Args:
        info: its sections `memory` and `persistence`.
    """
    faults = []
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        faults.append(f"it removes sessions when its memory is full (maxmemory-policy {policy}, not noeviction)")
    if info.get("aof_enabled") == 0:
        faults.append("a restart forgets the latest sessions, logouts and revocations (appendonly no)")
    return " and ".join(faults)


class _Transport:
    """The common parts of both ways of waiting."""

    def __init__(self, address: Address, options: Options) -> None:
        self._address, self._options = address, options
        self._lock = threading.Lock()
        # WAIT gets half the timeout, so that its response arrives before the client gives up.
        self._wait: tuple[Arg, ...] = ("WAIT", options.replicas, int(options.timeout * 500))

    def _wire(self, request: Request, *, load: bool) -> list[tuple[Arg, ...]]:
        sent = [call.wire(load=load) for call in request.calls]
        return [*sent, self._wait] if self._options.replicas and request.write else sent

    def _target(self, client: Any, request: Request) -> tuple[dict[str, Any], int]:
        """Returns extra arguments that pick the node, and the number of nodes."""
        if request.node is None or self._address.mode is not Mode.CLUSTER:
            return {}, 1
        nodes = sorted(client.get_primaries(), key=lambda node: str(node.name))
        return {"target_nodes": nodes[request.node % len(nodes)]}, len(nodes)


class Transport(_Transport):
    """Runs plans, blocking. Safe for threads."""

    def __init__(self, address: Address, options: Options) -> None:
        super().__init__(address, options)
        self._connected: Connected | None = None
        self._slots = threading.BoundedSemaphore(options.pool_size)

    def run(self, plan: Plan) -> Any:
        """Runs a plan to its end and returns its result."""
        try:
            request = next(plan)
            while True:
                request = plan.send(self._ask(request))
        except StopIteration as end:
            return end.value

    def close(self) -> None:
        """Closes all connections; the next request opens new ones."""
        with self._lock:
            connected, self._connected = self._connected, None
        if connected:
            connected.close()

    def advice(self) -> str:
        """Returns how the server may lose data; empty if it is not known to."""
        try:
            client = self._client()
            cluster = self._address.mode is Mode.CLUSTER
            targets: list[dict[str, Any]] = (
                [{"target_nodes": node} for node in client.get_primaries()] if cluster else [{}]
            )
            found = [{**client.info("memory", **each), **client.info("persistence", **each)} for each in targets]
        except FAILURES:  # not permitted, on many managed servers
            return ""
        return max(map(advice_on, found), key=len, default="")  # of a Cluster, the node with the most risks

    def _ask(self, request: Request) -> Reply:
        attempts = Backoff(self._address, self._options, request)
        while True:
            if not self._slots.acquire(timeout=attempts.left()):
                raise attempts.unavailable("all connections are in use")
            try:
                values, nodes = self._attempt(request)
                return Reply(values, attempts.made + 1, nodes)
            except (*FAILURES, NotReplicated) as error:
                delay = attempts.failed(error)
            finally:
                self._slots.release()
            time.sleep(delay)

    def _attempt(self, request: Request) -> tuple[tuple[Any, ...], int]:
        client = self._client()
        target, nodes = self._target(client, request)
        replies = self._send(client, self._wire(request, load=False), target)
        if missing_script(replies):
            replies = self._send(client, self._wire(request, load=True), target)
        return checked(replies, request, self._options.replicas), nodes

    def _client(self) -> Any:
        with self._lock:
            if self._connected is None:
                self._connected = connect(self._address, self._options)
            return self._connected.client

    def _send(self, client: Any, sent: list[tuple[Arg, ...]], target: dict[str, Any]) -> list[Any]:
        if len(sent) == 1:
            try:
                return [client.execute_command(*sent[0], **target)]
            except FAILURES as error:
                return [error]
        with client.pipeline(transaction=False) as pipeline:
            for args in sent:
                pipeline.execute_command(*args)
            return list(pipeline.execute(raise_on_error=False))


@dataclass(frozen=True, slots=True)
class _Loop:
    connected: Connected
    slots: asyncio.Semaphore


class AsyncTransport(_Transport):
    """Runs plans in event loops, with connections for each loop."""

    def __init__(self, address: Address, options: Options) -> None:
        super().__init__(address, options)
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Loop] = weakref.WeakKeyDictionary()

    async def run(self, plan: Plan) -> Any:
        """Runs a plan to its end and returns its result."""
        try:
            request = next(plan)
            while True:
                request = plan.send(await self._ask(request))
        except StopIteration as end:
            return end.value

    async def close(self) -> None:
        """Closes the connections of the running loop."""
        with self._lock:
            loop = self._loops.pop(asyncio.get_running_loop(), None)
        if loop:
            await loop.connected.close()

    async def _ask(self, request: Request) -> Reply:
        attempts = Backoff(self._address, self._options, request)
        while True:
            loop = self._loop()
            try:
                async with asyncio.timeout(attempts.left()):
                    await loop.slots.acquire()
            except TimeoutError:
                raise attempts.unavailable("all connections are in use") from None
            try:
                values, nodes = await self._attempt(loop.connected.client, request)
                return Reply(values, attempts.made + 1, nodes)
            except (*FAILURES, NotReplicated) as error:
                delay = attempts.failed(error)
            finally:
                loop.slots.release()
            await asyncio.sleep(delay)

    async def _attempt(self, client: Any, request: Request) -> tuple[tuple[Any, ...], int]:
        if request.node is not None and self._address.mode is Mode.CLUSTER:
            await client.initialize()
        target, nodes = self._target(client, request)
        replies = await self._send(client, self._wire(request, load=False), target)
        if missing_script(replies):
            replies = await self._send(client, self._wire(request, load=True), target)
        return checked(replies, request, self._options.replicas), nodes

    def _loop(self) -> _Loop:
        running = asyncio.get_running_loop()
        with self._lock:
            if running not in self._loops:
                connected = aconnect(self._address, self._options)
                self._loops[running] = _Loop(connected, asyncio.Semaphore(self._options.pool_size))
            return self._loops[running]

    async def _send(self, client: Any, sent: list[tuple[Arg, ...]], target: dict[str, Any]) -> list[Any]:
        if len(sent) == 1:
            try:
                return [await client.execute_command(*sent[0], **target)]
            except FAILURES as error:
                return [error]
        async with client.pipeline(transaction=False) as pipeline:
            for args in sent:
                pipeline.execute_command(*args)
            return list(await pipeline.execute(raise_on_error=False))
