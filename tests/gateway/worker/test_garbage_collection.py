"""The worker collects garbage rarely, and its memory stays bounded."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxlit._internal.garbage_collection import collection_paused
from fluxlit.worker.garbage_collection import GarbageCollector, GarbagePolicy, resident_bytes
from tests.gateway.supervisor.processes import until
from tests.gateway.worker.project import Project, run
from tests.gateway.worker.streamlit_client import Tab
from tests.gateway.worker.test_program import worker_pid

pytestmark = pytest.mark.slow

CYCLES = """
import gc
from fluxlit import FluxLit

app = FluxLit()
walks = sum(each["collections"] for each in gc.get_stats())

class Cycle:
    def __init__(self):
        self.me = self
        self.load = bytearray(2_000_000)
        self.load[::4096] = b"x" * len(self.load[::4096])

@app.page("/")
def home(st):
    Cycle()
    st.text(f"{gc.get_freeze_count() > 10_000} {st.get_option('runner.postScriptGC')}")
    st.text(walks)
"""


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 1e6


def test_memory_stays_bounded_while_a_busy_page_leaves_cycles_behind(project: Project) -> None:
    project.write("shop.py", CYCLES)

    async def story() -> None:
        async with project.running() as backend, Tab(project.socket) as tab:
            first, walks = (await tab.run()).texts
            assert first == "True False", "start is frozen, Streamlit's own collection is off"
            assert int(walks) < 50, "the start has walked what it imported: over 200 collections"
            pid = worker_pid(backend)
            before = resident_mb(pid)
            peak = before
            for _ in range(300):  # leaves 600 MB behind
                await tab.run()
                peak = max(peak, resident_mb(pid))
            # 64 MiB by the policy, and what 0.1 s of reruns add before the next look.
            assert peak - before < 220

    run(story)


def test_streamlits_own_policy_can_be_had_back(project: Project) -> None:
    project.write("shop.py", CYCLES)

    async def story() -> None:
        options = {"streamlit_options": {"runner.postScriptGC": True}}
        async with project.running(settings=options), Tab(project.socket) as tab:
            assert (await tab.run()).texts[0] == "False True"

    run(story)


@pytest.fixture
def thawed() -> Iterator[None]:
    """Nothing is frozen, as in a process that has just started."""
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.collect()
    gc.freeze()


@pytest.mark.usefixtures("thawed")
def test_a_pause_leaves_what_an_application_sets_itself() -> None:
    before = gc.get_threshold()
    try:
        with collection_paused(), collection_paused():
            assert gc.get_threshold()[0] == 0
        assert gc.get_threshold() == before
        with collection_paused():
            gc.set_threshold(50_000, 20, 20)
        assert gc.get_threshold() == (50_000, 20, 20)
        with collection_paused():
            gc.disable()
        assert not gc.isenabled()
    finally:
        gc.set_threshold(*before)
        gc.enable()


@pytest.mark.usefixtures("thawed")
def test_it_collects_when_quiet_after_activity_and_not_while_nothing_happens() -> None:
    async def story() -> None:
        collector = GarbageCollector(GarbagePolicy(idle_s=0.05, look_s=0.01))
        task = asyncio.create_task(collector.run())
        try:
            await until(lambda: collector.collections == 1)
            assert gc.get_freeze_count() > 0
            collector.touch()
            await until(lambda: collector.collections == 2)
            idle_until = time.monotonic() + 0.2
            await until(lambda: time.monotonic() > idle_until)
            assert collector.collections == 2
        finally:
            task.cancel()

    run(story)


class Cycle:
    """Memory that only the collector can free."""

    def __init__(self, size: int) -> None:
        self.me = self
        self.load = bytearray(b"x") * size


@pytest.mark.usefixtures("thawed")
def test_it_collects_when_memory_has_grown_however_busy_it_is() -> None:
    async def story() -> None:
        collector = GarbageCollector(GarbagePolicy(idle_s=60, look_s=0.001, growth_bytes=16_000_000))
        task = asyncio.create_task(collector.run())
        gc.disable()  # Python's own collections would come to help
        try:
            await until(lambda: gc.get_freeze_count() > 0)
            assert collector.collections == 0, "no visitor waits for a collection at the start"
            before = resident_bytes()
            peak = before
            for _ in range(100):  # 400 MB
                Cycle(4_000_000)
                collector.touch()
                await asyncio.sleep(0.002)
                peak = max(peak, resident_bytes())
            assert peak - before < 100_000_000
            assert collector.collections > 3
        finally:
            gc.enable()
            task.cancel()

    run(story)
