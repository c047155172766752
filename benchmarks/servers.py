"""Redis servers on loopback that are stopped and started again.

There is a single one, and a pair that Sentinels monitor.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import redis
from harness import free_port, tool

ADVICE = "apt-get install redis-server"
SERVICE = "sessions"
PATIENCE_S = 30.0


class Redis:
    """One server that keeps on its disk what it has acknowledged."""

    def __init__(self, folder: Path, *options: str, name: str = "redis", config: str = "") -> None:
        self.port = free_port()
        self._folder = folder / name
        self._folder.mkdir()
        keep: tuple[str, ...] = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
        if config:  # a Sentinel writes into its own
            (self._folder / "sentinel.conf").write_text(config)
            keep = (str(self._folder / "sentinel.conf"), "--sentinel")
        place = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--logfile", "log")
        self._command = [tool("redis-server", ADVICE), *keep, *place, *options]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The session store's URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> Any:
        """A plain client; redis-py types its methods for sync and async at once."""
        return redis.Redis(port=self.port, socket_timeout=5)

    def start(self, *more: str) -> None:
        """Start it, with more options if given, and wait until it answers."""
        self._process = subprocess.Popen([*self._command, *more])
        self.wait()

    def stop(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wait(self) -> None:
        """Wait until it answers."""
        with contextlib.closing(self.client()) as client:
            wait_until(client.ping)


class Sentinels:
    """A primary, its replica, and two Sentinels that promote the replica."""

    def __init__(self, folder: Path) -> None:
        quick = ("--repl-diskless-sync-delay", "0")
        self._primary = Redis(folder, *quick, name="primary")
        following = ("--replicaof", f"127.0.0.1 {self._primary.port}")
        self._replica = Redis(folder, *quick, *following, name="replica")
        self._watchers = [self._watcher(folder, f"sentinel-{number}") for number in (1, 2)]

    def _watcher(self, folder: Path, name: str) -> Redis:
        watch = f"sentinel monitor {SERVICE} 127.0.0.1 {self._primary.port} 2\n"
        times = f"sentinel down-after-milliseconds {SERVICE} 1000\nsentinel failover-timeout {SERVICE} 3000\n"
        return Redis(folder, name=name, config=watch + times)

    def __enter__(self) -> Self:
        for server in (self._primary, self._replica, *self._watchers):
            server.start()
        wait_until(self._is_watched)
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self._primary, self._replica, *self._watchers):
            server.stop()

    @property
    def url(self) -> str:
        """The session store's URL; a write is done when the replica has it too."""
        hosts = ",".join(f"127.0.0.1:{watcher.port}" for watcher in self._watchers)
        return f"redis+sentinel://{hosts}/{SERVICE}?replicas=1"

    def stop(self) -> None:
        """Kill the primary."""
        self._primary.stop()

    def start(self) -> None:
        """Bring it back when the other has taken over; it follows from then on."""
        with contextlib.closing(self._watchers[0].client()) as client:
            wait_until(lambda: client.sentinel_master(SERVICE)["port"] == self._replica.port)
        self._primary.start("--replicaof", f"127.0.0.1 {self._replica.port}")

    def fail_over(self) -> None:
        """Both, one after the other."""
        self.stop()
        self.start()

    def wait(self) -> None:
        """Wait until the present primary answers."""
        self._replica.wait()

    def _is_watched(self) -> bool:
        with contextlib.closing(self._replica.client()) as client:
            following = client.info("replication")["master_link_status"] == "up"
        return following and all(self._knows_all(watcher) for watcher in self._watchers)

    def _knows_all(self, watcher: Redis) -> bool:
        with contextlib.closing(watcher.client()) as client:
            state = client.sentinel_master(SERVICE)
            return bool(state["num-slaves"] == 1 and state["num-other-sentinels"] == 1)


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for a condition; an error of Redis counts as "not yet"."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with contextlib.suppress(redis.RedisError, OSError):
            if condition():
                return
        if time.monotonic() > deadline:
            raise RuntimeError("Redis did not get ready in time")
        time.sleep(0.02)
