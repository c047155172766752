"""What systemd is notified of, and only when it asks."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from pathlib import Path

import pytest

from fluxlit.server.sockets.systemd import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(tmp_path / "notify"))
    listener.settimeout(60)
    return listener


def heard(manager: socket.socket) -> dict[str, str]:
    return dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())


def test_each_state_has_its_message(manager: socket.socket) -> None:
    with manager:
        environ = {"NOTIFY_SOCKET": manager.getsockname(), "OTHER": "1"}
        notifier = Notifier(environ)
        assert environ == {"OTHER": "1"}
        notifier.ready("app:app")
        assert heard(manager) == {"READY": "1", "STATUS": "app:app"}
        before = time.clock_gettime(time.CLOCK_MONOTONIC)
        notifier.reloading()
        message = heard(manager)
        assert message["RELOADING"] == "1"
        assert before <= int(message["MONOTONIC_USEC"]) / 1e6 + 1e-3 <= time.clock_gettime(time.CLOCK_MONOTONIC) + 1e-3
        notifier.stopping(12.5)
        assert heard(manager) == {"STOPPING": "1", "EXTEND_TIMEOUT_USEC": "12500000"}


def test_the_abstract_namespace() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0fluxlit-{os.getpid()}")
        manager.settimeout(60)
        Notifier({"NOTIFY_SOCKET": f"@fluxlit-{os.getpid()}"}).ready()
        assert heard(manager) == {"READY": "1"}


def test_signs_of_life_come_twice_as_often_as_wanted(manager: socket.socket) -> None:
    async def watch(notifier: Notifier) -> tuple[list[dict[str, str]], float]:
        beside = asyncio.create_task(notifier.keep_alive())
        await asyncio.to_thread(heard, manager)
        began = time.monotonic()
        signs = [await asyncio.to_thread(heard, manager) for _ in range(3)]
        beside.cancel()
        return signs, time.monotonic() - began

    with manager:
        pid = str(os.getpid())
        environ = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "200000", "WATCHDOG_PID": pid}
        signs, seconds = asyncio.run(watch(Notifier(environ)))
        assert signs == [{"WATCHDOG": "1"}] * 3
        assert seconds > 0.25
        foreign = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
        assert Notifier(foreign).watchdog_s == 0


def test_without_the_variable_nothing_is_said_and_a_deaf_manager_harms_nobody() -> None:
    Notifier({}).ready()
    Notifier({"NOTIFY_SOCKET": "/nonexistent/notify"}).ready()
    asyncio.run(Notifier({"WATCHDOG_USEC": "1000"}).keep_alive())
