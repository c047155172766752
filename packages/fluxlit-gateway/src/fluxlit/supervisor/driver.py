"""The driver performs what the table in `state` decides.

It reports what it sees as events. It does not know what it runs. Whether the child is ready is asked through a probe
that the owner brings. All methods belong to one event loop; time is the loop's monotonic clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import signal
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field

from fluxlit.errors import WorkerError
from fluxlit.supervisor.backoff import Backoff
from fluxlit.supervisor.child_process import ChildProcess, LineHandler, OutputHandler
from fluxlit.supervisor.spawn import Command, SpawnedProcess
from fluxlit.supervisor.state import (
    BackoffElapsed,
    BecameReady,
    DeadlinePassed,
    Effect,
    Event,
    Exited,
    Hung,
    StartRequested,
    State,
    StopRequested,
    apply,
)

logger = logging.getLogger("fluxlit.supervisor")

Probe = Callable[[], Awaitable[bool]]

_HAS_CHILD = (State.STARTING, State.ABORTING, State.READY, State.REPLACING, State.RESTARTING, State.STOPPING)


@dataclass(frozen=True)
class Policy:
    """How patient a supervisor is; all times in seconds.

    Attributes:
        start_timeout_s: from the start of the child to its first successful probe.
        start_probe_interval_s: pause between probes until it is ready.
        probe_interval_s: pause between probes of a child that is ready.
        probe_timeout_s: one probe that takes longer has failed.
        hung_after_s: a child that lives but has failed its probes for this long is killed and replaced. Long enough
            for a page that computes in C code with the interpreter lock held.
        stable_after_s: a child that was ready for this long has proved itself: the next delay is the first again.
        kill_reserve_s: part of the time given to `stop` that is kept for SIGKILL and its effect.
        backoff: delays between restarts.
    """

    start_timeout_s: float = 60.0
    start_probe_interval_s: float = 0.03
    probe_interval_s: float = 1.0
    probe_timeout_s: float = 2.0
    hung_after_s: float = 15.0
    stable_after_s: float = 30.0
    kill_reserve_s: float = 0.5
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True)
class Status:
    """What an owner may want to know, at one moment.

    Attributes:
        state: see `State`.
        pid: process id of the child while it runs.
        restarts: how often the child was started again.
        answering: the last probe succeeded. A child that is ready and does not answer is busy or hangs; which of the
            two is known after `Policy.hung_after_s`.
        detail: one line for people: the state and, when it is not ready, why.
    """

    state: State
    pid: int | None
    restarts: int
    answering: bool
    detail: str

    @property
    def ready(self) -> bool:
        """The child has started, runs, and has not been given up."""
        return self.state is State.READY and self.pid is not None


class Supervisor:
    """Keeps one child alive from `start` to `stop`.

    Args:
        name: what logs and errors call the child.
        command: what to run.
        probe: answers whether the child is ready; an `OSError` counts as no.
        policy: how patient to be.
        greeting: a line sent to every new child first.
        on_line: gets every line that the child sends over the channel.
        on_output: gets ``(stream, line)`` for everything that the child prints.
        explain: asked for the child's own reason when it is gone; `None` when it gave none.
        head_start: the first child, if it runs already.
    """

    def __init__(
        self,
        name: str,
        command: Command,
        *,
        probe: Probe,
        policy: Policy | None = None,
        greeting: str | None = None,
        on_line: LineHandler = lambda _line: None,
        on_output: OutputHandler = lambda _stream, _line: None,
        explain: Callable[[], str | None] = lambda: None,
        head_start: SpawnedProcess | None = None,
    ) -> None:
        self.name = name
        self._head_start = head_start
        self._command = command
        self._probe = probe
        self._policy = policy or Policy()
        self._greeting = greeting
        self._on_line = on_line
        self._on_output = on_output
        self._explain = explain
        self._state = State.NEW
        self._child: ChildProcess | None = None
        self._restarts = 0
        self._failures = 0
        self._ready_since = 0.0
        self._reason = ""
        self._own_words: str | None = None
        self._started_at = 0.0
        self._answering = False
        self._error: WorkerError | None = None
        self._stop_deadline = 0.0
        self._settled = asyncio.Event()  # the first start has succeeded, failed or been given up
        self._ended = asyncio.Event()
        self._hint = asyncio.Event()
        self._life: set[asyncio.Task[None]] = set()  # tasks that end with the present state of the child
        self._lasting: set[asyncio.Task[None]] = set()
        self._perform: dict[Effect, Callable[[], None]] = {
            Effect.SPAWN: self._spawn,
            Effect.WATCH_READINESS: lambda: self._run(self._life, self._watch_readiness()),
            Effect.WATCH_HEALTH: lambda: self._run(self._life, self._watch_health()),
            Effect.KILL: self._kill,
            Effect.TERMINATE: lambda: self._run(self._life, self._terminate()),
            Effect.SCHEDULE_RESTART: lambda: self._run(self._life, self._wait_before_restart()),
            Effect.ANNOUNCE_READY: self._announce_ready,
            Effect.ANNOUNCE_FAILURE: self._announce_failure,
            Effect.ANNOUNCE_STOPPED: self._announce_stopped,
        }

    @property
    def status(self) -> Status:
        """A snapshot; costs nothing."""
        child = self._child
        # Its last output is read before its end is handled; nothing can be sent to it meanwhile.
        runs = child is not None and child.exit_code is None and self._state in _HAS_CHILD
        pid = child.pid if child is not None and runs else None
        detail = f"{self.name} is {self._state.value}"
        if self._reason and self._state is not State.READY:
            detail += f": {self._reason}"
        if self._state is State.READY and not runs:
            detail = f"{self.name} has ended"
        elif self._state is State.READY and not self._answering:
            detail += ", but does not answer"
        return Status(self._state, pid, self._restarts, self._answering, detail)

    async def start(self) -> None:
        """Start the child and return when it is ready.

        Raises:
            WorkerError: the child ended, could not be started, or was not ready in time. It is not tried again.
        """
        self._handle(StartRequested())
        try:
            await self._settled.wait()
        except asyncio.CancelledError:
            await asyncio.shield(self.stop(0.0))
            raise
        if self._error is not None:
            raise self._error
        if self._state is not State.READY and self._ended.is_set():
            raise WorkerError(f"{self.name} was stopped before it was ready.")

    async def stop(self, timeout_s: float) -> None:
        """Stop the child and its group within `timeout_s`: SIGTERM, then SIGKILL.

        Returns when child and group are gone. May be called in any state and more than once.
        """
        self._stop_deadline = asyncio.get_running_loop().time() + timeout_s
        self._handle(StopRequested())
        await self._ended.wait()

    def send_line(self, line: str) -> None:
        """Send a line to the child; lost when there is none."""
        if self._child is not None:
            self._child.send_line(line)

    def expect_readiness(self) -> None:
        """Probe a child at once that has reported that it is ready."""
        self._hint.set()

    def _handle(self, event: Event) -> None:
        before = self._state
        self._state, effects = apply(before, event)
        if self._state is not before:
            self._answering = False
            self._leave()
            logger.debug("%s: %s -> %s after %s", self.name, before.name, self._state.name, event)
        for effect in effects:
            self._perform[effect]()

    def _leave(self) -> None:
        current = asyncio.current_task()
        for task in self._life:
            if task is not current:
                task.cancel()

    def _run(self, group: set[asyncio.Task[None]], work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        group.add(task)
        task.add_done_callback(group.discard)

    def _spawn(self) -> None:
        loop = asyncio.get_running_loop()
        self._started_at = loop.time()
        try:
            spawned = self._head_start or SpawnedProcess.of(self._command)
        except OSError as error:
            self._reason = f"it cannot be started: {error}"
            loop.call_soon(self._handle, Exited(None))
            return
        self._head_start = None
        self._child = ChildProcess.attend(spawned, on_line=self._on_line, on_output=self._on_output)
        if self._greeting is not None:
            self._child.send_line(self._greeting)
        self._run(self._lasting, self._wait_for_exit(self._child))

    async def _wait_for_exit(self, child: ChildProcess) -> None:
        code = await child.wait()
        self._own_words = self._explain()
        if self._state not in (State.STOPPING, State.ABORTING, State.REPLACING):
            self._reason = self._own_words or f"it {describe_exit(code)}"
        self._handle(Exited(code))

    async def _probed(self, within_s: float) -> bool:
        # A probe that is late has failed; it may not hold up the loop that watches.
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(within_s):
                return await self._probe()
        return False

    async def _watch_readiness(self) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._policy.start_timeout_s
        while clock() < deadline:
            if await self._probed(self._policy.probe_timeout_s):
                self._handle(BecameReady())
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._policy.start_probe_interval_s):
                    await self._hint.wait()
            self._hint.clear()
        self._reason = f"it was not ready after {self._policy.start_timeout_s:g} s"
        self._handle(DeadlinePassed())

    async def _watch_health(self) -> None:
        clock = asyncio.get_running_loop().time
        policy = self._policy
        last_sign_of_life = clock()
        while True:
            await asyncio.sleep(policy.probe_interval_s)
            # The last probe ends with the patience, so that a hung child is replaced neither sooner nor later.
            patience = last_sign_of_life + policy.hung_after_s - clock()
            self._answering = await self._probed(min(policy.probe_timeout_s, max(patience, policy.probe_interval_s)))
            if self._answering:
                last_sign_of_life = clock()
            elif clock() - last_sign_of_life >= policy.hung_after_s:
                self._reason = f"it lives but has not answered for {clock() - last_sign_of_life:.1f} s"
                logger.error("%s hangs: %s. It is killed and replaced.", self.name, self._reason)
                self._handle(Hung())
                return

    def _kill(self) -> None:
        if self._child is not None:
            self._child.kill()

    async def _terminate(self) -> None:
        if self._child is None:  # it could not be started, and that event is on its way
            return
        self._child.signal(signal.SIGTERM)
        patience = self._stop_deadline - self._policy.kill_reserve_s - asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, patience))
        logger.warning("%s did not stop in time after SIGTERM. It is killed.", self.name)
        self._child.kill()

    async def _wait_before_restart(self) -> None:
        clock = asyncio.get_running_loop().time
        stable = self._ready_since and clock() - self._ready_since >= self._policy.stable_after_s
        self._failures = 1 if stable else self._failures + 1
        self._ready_since = 0.0
        self._child = None
        delay = self._policy.backoff.delay(self._failures, random.random())  # noqa: S311  (jitter, not a secret)
        logger.warning("%s is gone: %s. It is restarted in %.2f s.", self.name, self._reason.rstrip("."), delay)
        await asyncio.sleep(delay)
        self._restarts += 1
        self._handle(BackoffElapsed())

    def _announce_ready(self) -> None:
        now = asyncio.get_running_loop().time()
        self._ready_since = now
        self._answering = True
        self._reason = ""
        again = f" again (restart {self._restarts})" if self._restarts else ""
        logger.info("%s is ready%s after %.2f s.", self.name, again, now - self._started_at)
        self._settled.set()

    def _announce_failure(self) -> None:
        output = self._child.output if self._child is not None else ()
        code = self._child.exit_code if self._child is not None else None
        message = self._own_words or f"{self.name} did not start: {self._reason}."
        if output and not self._own_words:
            message += "\nIts last output:\n" + "\n".join(f"  {line}" for line in output[-20:])
        self._error = WorkerError(message, exit_code=code, output=output)
        self._settled.set()
        self._ended.set()

    def _announce_stopped(self) -> None:
        self._settled.set()
        self._ended.set()


def describe_exit(code: int) -> str:
    """``ended with exit code 3`` or ``was ended by SIGKILL``."""
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"
