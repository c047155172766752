"""Real child programs that die, hang, ignore and shout."""

import asyncio
import dataclasses
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fluxlit.errors import WorkerError
from fluxlit.supervisor import child_process
from fluxlit.supervisor.backoff import Backoff
from fluxlit.supervisor.driver import Policy, Supervisor
from fluxlit.supervisor.spawn import Command
from fluxlit.supervisor.state import State
from tests.gateway.supervisor.processes import alive, until

QUICK = Policy(
    start_timeout_s=10,
    probe_interval_s=0.05,
    probe_timeout_s=0.5,
    hung_after_s=0.5,
    kill_reserve_s=0.2,
    backoff=Backoff(first_s=0.05, cap_s=0.4),
)


def build(name: str, directory: Path, **options: object) -> Supervisor:
    async def ready() -> bool:
        """True when the child is ready and is running.

        A stopped process answers no probe.
        """
        pid = directory / "pid"
        if not (directory / "ready").exists() or not pid.exists():
            return False
        state = Path(f"/proc/{pid.read_text()}/stat")
        return state.exists() and state.read_text().rpartition(")")[2].split()[0] not in {"T", "Z"}

    command = Command([sys.executable, str(Path(__file__).with_name("children.py")), name, str(directory)])
    return Supervisor("child", command, **{"probe": ready, "policy": QUICK, "greeting": "hello", **options})  # type: ignore[arg-type]


@asynccontextmanager
async def running(supervisor: Supervisor) -> AsyncIterator[Supervisor]:
    await supervisor.start()
    try:
        yield supervisor
    finally:
        await supervisor.stop(2)


def run(story: Callable[[], object]) -> None:
    asyncio.run(story())  # type: ignore[arg-type]


def test_a_child_that_dies_at_start_is_reported_at_once_with_its_words(tmp_path: Path) -> None:
    async def story() -> None:
        supervisor = build("dies-at-start", tmp_path, policy=dataclasses.replace(QUICK, start_timeout_s=60))
        started = time.monotonic()
        with pytest.raises(WorkerError, match="exit code 7") as raised:
            await supervisor.start()
        assert time.monotonic() - started < 30, "the exit is noticed before the deadline"
        assert raised.value.exit_code == 7
        assert "cannot find the moon" in str(raised.value)
        assert raised.value.output == ("cannot find the moon",)
        assert supervisor.status.state is State.FAILED
        await supervisor.stop(1)

    run(story)


def test_a_child_that_says_that_it_is_ready_is_probed_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        policy = dataclasses.replace(QUICK, start_timeout_s=60, start_probe_interval_s=50)
        supervisor = build("waits", tmp_path, policy=policy)
        starting = asyncio.create_task(supervisor.start())
        await until((tmp_path / "ready").exists)
        assert not starting.done(), "the first probe was too early, and the second is not due"
        supervisor.expect_readiness()
        await asyncio.wait_for(starting, 30)
        await supervisor.stop(2)

    run(story)


def test_a_program_that_does_not_exist_is_an_error_not_a_wait(tmp_path: Path) -> None:
    async def story() -> None:
        async def never() -> bool:
            return False

        supervisor = Supervisor("child", Command([str(tmp_path / "nothing")]), probe=never, policy=QUICK)
        with pytest.raises(WorkerError, match="cannot be started"):
            await supervisor.start()

    run(story)


def test_the_childs_own_explanation_is_the_message(tmp_path: Path) -> None:
    async def story() -> None:
        supervisor = build("dies-at-start", tmp_path, explain=lambda: "The moon is missing. Bring one.")
        with pytest.raises(WorkerError) as raised:
            await supervisor.start()
        assert str(raised.value) == "The moon is missing. Bring one."

    run(story)


def test_a_child_that_is_never_ready_is_killed_at_the_deadline(tmp_path: Path) -> None:
    async def story() -> None:
        policy = Policy(start_timeout_s=0.6, backoff=QUICK.backoff)
        supervisor = build("never-ready", tmp_path, policy=policy)
        starting = asyncio.create_task(supervisor.start())
        await until(lambda: supervisor.status.pid is not None)
        pid = supervisor.status.pid
        with pytest.raises(WorkerError, match=r"not ready after 0\.6 s") as raised:
            await starting
        assert raised.value.exit_code == -signal.SIGKILL
        assert pid is not None
        assert not alive(pid)

    run(story)


def test_a_child_that_dies_later_is_restarted_and_counted(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(build("dies-once", tmp_path)) as supervisor:
            first = supervisor.status.pid
            (tmp_path / "die").touch()
            await until(lambda: supervisor.status.restarts == 1 and supervisor.status.ready)
            assert supervisor.status.pid != first
            assert (tmp_path / "greetings").read_text() == "hello\nhello\n", "each child is greeted once"

    run(story)


def test_a_child_killed_from_outside_is_back_soon(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(build("waits", tmp_path)) as supervisor:
            pid = supervisor.status.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await until(lambda: "SIGKILL" in supervisor.status.detail)
            assert not supervisor.status.ready
            await until(lambda: supervisor.status.ready, timeout_s=60)

    run(story)


def test_a_dead_child_is_not_ready_while_its_output_is_still_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of its own session keeps that open, and lives on."""
    monkeypatch.setattr(child_process, "_OUTPUT_LEFTOVER_S", 60.0)

    async def story() -> None:
        supervisor = build("leaves-a-daemon", tmp_path)
        await supervisor.start()
        pid = supervisor.status.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not supervisor.status.ready)
        assert (supervisor.status.state, supervisor.status.pid) == (State.READY, None), "its end is not handled yet"
        assert supervisor.status.detail == "child has ended"
        os.kill(int((tmp_path / "grandchild").read_text()), signal.SIGKILL)
        await until(lambda: supervisor.status.ready)
        await supervisor.stop(5)
        os.kill(int((tmp_path / "grandchild").read_text()), signal.SIGKILL)

    run(story)


def test_a_stopped_child_is_noticed_and_replaced(tmp_path: Path) -> None:
    async def story() -> None:
        async with running(build("waits", tmp_path)) as supervisor:
            pid = supervisor.status.pid
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
            await until(lambda: supervisor.status.restarts == 1 and supervisor.status.ready)
            assert not alive(pid)

    run(story)


def test_a_child_that_does_not_answer_says_so_long_before_it_is_given_up(tmp_path: Path) -> None:
    async def story() -> None:
        policy = Policy(probe_interval_s=0.05, hung_after_s=60)
        async with running(build("waits", tmp_path, policy=policy)) as supervisor:
            pid = supervisor.status.pid
            assert pid is not None
            assert supervisor.status.answering
            os.kill(pid, signal.SIGSTOP)
            await until(lambda: not supervisor.status.answering)
            assert supervisor.status.ready, "it may be busy, and keeps its sessions"
            assert "does not answer" in supervisor.status.detail
            os.kill(pid, signal.SIGCONT)
            await until(lambda: supervisor.status.answering)
            assert supervisor.status.restarts == 0

    run(story)


def test_delays_grow_while_the_child_keeps_dying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        delays = []
        backoff = Backoff(first_s=0.02, cap_s=0.08)

        class Recording(Backoff):
            def delay(self, failures: int, chance: float) -> float:
                delays.append(failures)
                return backoff.delay(failures, chance)

        policy = Policy(probe_interval_s=0.05, backoff=Recording())
        async with running(build("dies-once", tmp_path, policy=policy)) as supervisor:
            # From now on the program cannot start at all.
            supervisor._command = Command([sys.executable, "-c", "raise SystemExit(5)"])
            (tmp_path / "die").touch()
            await until(lambda: supervisor.status.restarts >= 4)
            assert not supervisor.status.ready
            assert "exit code 5" in supervisor.status.detail
        assert delays[:4] == [1, 2, 3, 4]

    run(story)


def test_sigterm_is_enough_for_a_polite_child(tmp_path: Path) -> None:
    async def story() -> None:
        supervisor = build("waits", tmp_path)
        await supervisor.start()
        pid = supervisor.status.pid
        started = time.monotonic()
        await supervisor.stop(60)
        assert time.monotonic() - started < 30
        assert pid is not None
        assert not alive(pid)
        assert supervisor.status.state is State.STOPPED
        assert supervisor.status.pid is None

    run(story)


def test_a_child_that_ignores_sigterm_is_killed_inside_the_time_given(tmp_path: Path) -> None:
    async def story() -> None:
        supervisor = build("ignores-sigterm", tmp_path)
        await supervisor.start()
        pid = supervisor.status.pid
        started = time.monotonic()
        await supervisor.stop(1.0)
        assert 0.7 < time.monotonic() - started < 10
        assert pid is not None
        assert not alive(pid)

    run(story)


def test_stop_while_it_waits_to_restart_is_immediate(tmp_path: Path) -> None:
    async def story() -> None:
        policy = Policy(probe_interval_s=0.05, backoff=Backoff(first_s=60, cap_s=60))
        supervisor = build("dies-once", tmp_path, policy=policy)
        await supervisor.start()
        (tmp_path / "die").touch()
        await until(lambda: supervisor.status.state is State.WAITING)
        await asyncio.wait_for(supervisor.stop(5), 1)

    run(story)


def test_stop_during_the_start_ends_both(tmp_path: Path) -> None:
    async def story() -> None:
        supervisor = build("never-ready", tmp_path)
        starting = asyncio.create_task(supervisor.start())
        await until((tmp_path / "pid").exists)
        await supervisor.stop(2)
        with pytest.raises(WorkerError, match="stopped before"):
            await starting
        assert not alive(int((tmp_path / "pid").read_text()))

    run(story)


def test_a_cancelled_start_leaves_no_child(tmp_path: Path) -> None:
    async def story() -> None:
        starting = asyncio.create_task(build("never-ready", tmp_path).start())
        await until((tmp_path / "pid").exists)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert not alive(int((tmp_path / "pid").read_text()))

    run(story)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_grandchildren_go_with_the_child(tmp_path: Path, how: str) -> None:
    async def story() -> None:
        async with running(build("forks", tmp_path)) as supervisor:
            grandchild = int((tmp_path / "grandchild").read_text())
            assert alive(grandchild)
            if how == "kill":
                pid = supervisor.status.pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
            else:
                await supervisor.stop(2)
            await until(lambda: not alive(grandchild))

    run(story)


def test_output_is_handed_over_line_by_line_and_the_last_lines_are_kept(tmp_path: Path) -> None:
    async def story() -> None:
        heard: list[tuple[str, str]] = []
        supervisor = build("prints", tmp_path, on_output=lambda stream, line: heard.append((stream, line)))
        async with running(supervisor):
            await until(lambda: heard and heard[-1] == ("stdout", "waiting"))
        lines = [line for _, line in heard]
        assert lines[:20_000] == [f"line {number}" for number in range(20_000)]
        assert "".join(lines[20_000:-1]) == "x" * 300_000
        assert max(map(len, lines)) <= 128 * 1024, "a line without an end must not be collected for ever"

    run(story)


def test_lines_travel_both_ways(tmp_path: Path) -> None:
    async def story() -> None:
        heard: list[str] = []
        async with running(build("waits", tmp_path, on_line=heard.append)) as supervisor:
            supervisor.send_line("one")
            supervisor.send_line("two")
            await until(lambda: heard == ["heard one", "heard two"])

    run(story)


def test_nothing_stays_open_after_many_lives(tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async def story() -> None:
        before = descriptors()
        for number in range(5):
            directory = tmp_path / str(number)
            directory.mkdir()
            async with running(build("waits", directory)):
                pass
        await until(lambda: descriptors() == before)

    run(story)
