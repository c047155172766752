"""Metrics and status of a running server, gathered on request."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fluxlit._internal.descriptors import descriptor_limit
from fluxlit._internal.procfs import open_descriptors, usage
from fluxlit.backends import Backend, WorkerStatus, worker_label
from fluxlit.observability.event_loop_lag import LoopLag
from fluxlit.observability.logs.masking import masked
from fluxlit.observability.metrics import Samples
from fluxlit.observability.request_counters import RequestCounters
from fluxlit.observability.session_store_counters import STORE_COUNTERS
from fluxlit.settings import Resolved

DISTRIBUTIONS = ("fluxlit-gateway", "fastapi", "streamlit", "uvicorn")
UI_ROUTE = "ui"

ADVICE = "Await in the route what takes long, declare it with `def`, or set api_workers, which keeps the pages apart."


@dataclass
class Reporter:
    """Gathers metrics and status.

    Attributes:
        mode: where the UI runs; empty without one.
        state: whether the application can serve: ``starting``, ``ready``, ``not ready`` or ``draining``, and why.
        traffic: what the gateway has answered.
        pulse: the delay of the gateway's event loop.
        target: the FluxLit object that is served.
        backends: UI and API by these names, once there are some; not an API in this process.
        addresses: where the application is served.
        resolved: the settings in force.
        started_at: when the server started, in seconds since the epoch.
    """

    mode: str
    state: Callable[[], tuple[str, str]]
    traffic: RequestCounters
    pulse: LoopLag = field(default_factory=lambda: LoopLag(advice=ADVICE))
    target: str = ""
    backends: dict[str, Backend] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    resolved: Resolved | None = None
    started_at: float = field(default_factory=time.time)

    @property
    def workers(self) -> Sequence[WorkerStatus]:
        """The worker processes."""
        return [worker for backend in self.backends.values() for worker in backend.workers()]

    @property
    def sessions(self) -> int:
        """Sessions with a browser; each holds one WebSocket of the UI."""
        workers = [worker for worker in self.workers if worker.kind == UI_ROUTE]
        return sum(worker.sessions for worker in workers) if workers else self._ui_sockets()

    def _ui_sockets(self) -> int:
        return self.traffic[UI_ROUTE].open if UI_ROUTE in self.traffic else 0

    async def readings(self) -> Samples:
        """All metrics."""
        readings = self.traffic.read()
        readings.add("fluxlit_build_info", 1, versions()["fluxlit-gateway"], platform.python_version())
        state = self.state()[0]
        readings.add("fluxlit_ready", int(state == "ready"))
        readings.add("fluxlit_draining", int(state == "draining"))
        readings.update(self.pulse.read("gateway"))
        readings.update(STORE_COUNTERS.read())
        self._read_workers(readings)
        for backend in self.backends.values():
            readings.update(await backend.measure())
        _read_process(readings, self.started_at)
        return readings

    def _read_workers(self, readings: Samples) -> None:
        workers = self.workers
        if UI_ROUTE in self.backends and not any(worker.kind == UI_ROUTE for worker in workers):
            readings.add("fluxlit_sessions", self._ui_sockets(), self.mode)
        for worker in workers:
            number = worker_label(worker.kind, worker.number)
            if worker.kind == UI_ROUTE:
                readings.add("fluxlit_sessions", worker.sessions, number)
            readings.add("fluxlit_worker_ready", int(worker.ready and not worker.leaving), number)
            readings.add("fluxlit_worker_restarts_total", worker.restarts, number)
            used = None if worker.pid is None else usage(worker.pid)
            if used is not None:
                readings.add("fluxlit_worker_resident_memory_bytes", used.memory, number)
                readings.add("fluxlit_worker_cpu_seconds_total", used.cpu_s, number)

    def status(self) -> dict[str, Any]:
        """What `fluxlit status` shows; its shape only ever grows."""
        state, detail = self.state()
        workers = self.workers
        return {
            "status": state,
            "detail": detail,
            "pid": os.getpid(),
            "target": self.target,
            "addresses": list(self.addresses),
            "mode": self.mode,
            "started_at": round(self.started_at, 3),
            "uptime_s": round(time.time() - self.started_at, 3),
            "versions": {**versions(), "python": platform.python_version()},
            "sessions": self.sessions,
            "websockets": sum(route.open for route in self.traffic.values()),
            "requests": {
                "active": self.traffic.active,
                "total": sum(route.durations.count for route in self.traffic.values()),
            },
            "restarts": sum(worker.restarts for worker in workers),
            "workers": [_described(worker) for worker in workers],
        }

    def settings(self) -> dict[str, Any]:
        """Every effective setting with its source, secrets hidden."""
        if self.resolved is None:
            return {}
        return {
            name: {
                "value": masked(name, getattr(self.resolved.settings, name)),
                "source": {"layer": source.layer.value, "where": source.where},
            }
            for name, source in self.resolved.sources.items()
        }


def _described(worker: WorkerStatus) -> dict[str, Any]:
    used = None if worker.pid is None else usage(worker.pid)
    return asdict(worker) | {
        "memory_bytes": None if used is None else used.memory,
        "started_at": None if used is None else round(used.started_at, 3),
    }


def _read_process(readings: Samples, started_at: float) -> None:
    readings.add("process_start_time_seconds", round(started_at, 3))
    readings.add("process_max_fds", descriptor_limit())
    if (used := usage(os.getpid())) is not None:
        readings.add("process_cpu_seconds_total", used.cpu_s)
        readings.add("process_resident_memory_bytes", used.memory)
    if (opened := open_descriptors()) is not None:
        readings.add("process_open_fds", opened)


@cache
def versions() -> dict[str, str]:
    """The versions of what runs, by distribution."""
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
