"""Real Redis servers on loopback: alone, as a Cluster, with Sentinels."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.ports import free_port

BINARY = shutil.which("redis-server")
PATIENT: dict[str, Any] = {"timeout": 60, "connect_timeout": 60, "read_budget": 60, "write_budget": 60}
"""Options of a store that no stall of the machine disturbs: for all tests but those about the limits themselves."""

needs_redis = pytest.mark.skipif(BINARY is None, reason="needs redis-server")


def wait_until(condition: Callable[[], object], timeout: float = 60) -> None:
    """Wait for a condition; an error of Redis counts as "not yet"."""
    deadline = time.monotonic() + timeout
    while True:
        with contextlib.suppress(redis.RedisError, OSError):
            if condition():
                return
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


class RedisServer:
    """One redis-server process that can be killed, frozen and started again."""

    def __init__(self, folder: Path, *options: str, port: int = 0, persistent: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, port
        self.socket = folder / "r.sock"
        place = ["--port", str(port), "--bind", "127.0.0.1"] if port else ["--port", "0"]
        # It writes before it responds, so a kill loses nothing. To sync would only add the stalls of a disk.
        keep = ["--appendonly", "yes", "--appendfsync", "no"] if persistent else []
        self._command = [
            str(BINARY), "--dir", str(folder), "--unixsocket", str(self.socket), "--save", "", "--daemonize", "no",
            "--logfile", str(folder / "log"), *place, *keep, *options,
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of its UNIX socket."""
        return f"unix://{self.socket}"

    def client(self) -> Any:  # redis-py types the same methods for both of its clients at once
        """Return a plain client for looking inside."""
        return redis.Redis(unix_socket_path=str(self.socket), protocol=2, socket_timeout=60)

    def start(self, *more: str) -> None:
        """Start it, with more options if given, and wait until it answers."""
        self._process = subprocess.Popen([*self._command, *more])
        with contextlib.closing(self.client()) as client:
            wait_until(client.ping)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; SIGSTOP freezes it, SIGCONT thaws it."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def running(server: RedisServer) -> Iterator[RedisServer]:
    """Start a server, and kill it in any case."""
    try:
        server.start()
        yield server
    finally:
        server.kill()


def tls_only(port: int, files: Path | None) -> tuple[str, ...]:
    """Return the options of a server that only speaks TLS, if there are files."""
    if files is None:
        return ()
    pair = ("--tls-cert-file", str(files / "cert.pem"), "--tls-key-file", str(files / "key.pem"))
    trust = ("--tls-ca-cert-file", str(files / "cert.pem"), "--tls-auth-clients", "no")
    return ("--port", "0", "--tls-port", str(port), "--tls-cluster", "yes", "--tls-replication", "yes", *pair, *trust)


@contextlib.contextmanager
def cluster(folder: Path, files: Path | None = None) -> Iterator[list[RedisServer]]:
    """Start a Cluster of three primaries, over TLS if there are certificates."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "5000", "--appendonly", "yes")
    ports, buses = [free_port() for _ in range(3)], [free_port() for _ in range(3)]
    nodes = [
        RedisServer(folder / str(port), *options, *tls_only(port, files), "--cluster-port", str(bus), port=port)
        for port, bus in zip(ports, buses, strict=True)
    ]
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(contextlib.closing(stack.enter_context(running(node)).client())) for node in nodes
        ]
        for number, client in enumerate(clients):
            first, last = number * 16384 // 3, (number + 1) * 16384 // 3 - 1
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", ports[0], buses[0])
        for client in clients:
            wait_until(partial(_cluster_is_whole, client))
        yield nodes


def _cluster_is_whole(client: Any) -> bool:
    info = client.execute_command("CLUSTER INFO")
    return bool(info["cluster_state"] == "ok" and info["cluster_known_nodes"] == "3")


class Watched:
    """A primary and a replica with two Sentinels."""

    service = "sessions"

    def __init__(self, folder: Path, files: Path | None) -> None:
        ports = [free_port() for _ in range(4)]
        quick = ("--repl-diskless-sync-delay", "0")
        follow = ("--replicaof", f"127.0.0.1 {ports[0]}")
        self._files = files
        self.primary = RedisServer(folder / "a", *quick, *tls_only(ports[0], files), port=ports[0])
        self.replica = RedisServer(folder / "b", *quick, *follow, *tls_only(ports[1], files), port=ports[1])
        self.sentinels = [self._sentinel(folder / f"s{port}", port) for port in ports[2:]]

    def _sentinel(self, folder: Path, port: int) -> RedisServer:
        folder.mkdir(parents=True)
        watch = f"sentinel monitor {self.service} 127.0.0.1 {self.primary.port} 2\n"
        times = f"sentinel down-after-milliseconds {self.service} 500\nsentinel failover-timeout {self.service} 2000\n"
        (folder / "sentinel.conf").write_text(watch + times)
        server = RedisServer(folder, *tls_only(port, self._files), port=port)
        server._command[1:1] = [str(folder / "sentinel.conf"), "--sentinel"]
        return server

    @property
    def url(self) -> str:
        """The URL by which the store finds the primary."""
        scheme = "rediss" if self._files else "redis"
        return f"{scheme}+sentinel://{','.join(f'127.0.0.1:{s.port}' for s in self.sentinels)}/{self.service}"

    def ready(self) -> bool:
        """Return whether the Sentinels know all servers and the replica follows."""
        with contextlib.closing(self.replica.client()) as client:
            if client.info("replication")["master_link_status"] != "up":
                return False
        return all(self._knows_all(sentinel) for sentinel in self.sentinels)

    def return_as_replica(self) -> None:
        """Start the dead primary as a replica, after the failover."""
        with contextlib.closing(self.sentinels[0].client()) as client:
            wait_until(lambda: client.sentinel_master(self.service)["port"] == self.replica.port)
        self.primary.start("--replicaof", f"127.0.0.1 {self.replica.port}")

    def _knows_all(self, sentinel: RedisServer) -> bool:
        with contextlib.closing(sentinel.client()) as client:
            state = client.sentinel_master(self.service)
            return bool(state["num-slaves"] == 1 and state["num-other-sentinels"] == 1)


@contextlib.contextmanager
def watched(folder: Path, files: Path | None = None) -> Iterator[Watched]:
    """Start a primary, its replica and two Sentinels."""
    group = Watched(folder, files)
    with contextlib.ExitStack() as stack:
        for server in (group.primary, group.replica, *group.sentinels):
            stack.enter_context(running(server))
        wait_until(group.ready)
        yield group
