"""One child process: heard, and ended without leaving anything behind.

`subprocess.Popen` is used rather than asyncio's wrapper, for one reason: the leader of a process group must not be
reaped before the rest of its group has been killed, else its number may already belong to strangers. So the exit is
*seen* first (`pidfd_open`, `waitid(WNOWAIT)`), then the group is killed, then the leader is reaped.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from typing import IO

from fluxlit.supervisor.spawn import SpawnedProcess, kill_group

LineHandler = Callable[[str], None]
OutputHandler = Callable[[str, str], None]

_LONGEST_LINE = 64 * 1024
"""Longer lines of output are cut into pieces of this many bytes, so that a child cannot fill the parent's memory."""

_LONGEST_MESSAGE = 16 * 1024 * 1024
"""Bytes in one line of the channel; a child that sends more is not one that we know how to talk to."""

_OUTPUT_LEFTOVER_S = 1.0
"""How long output is still read after the exit. Only a process that left the group can keep the pipes open longer."""


class ChildProcess:
    """A running child.

    Attributes:
        pid: process id, and id of its process group.
        exit_code: `None` while it runs; negative for a signal.
    """

    def __init__(self, spawned: SpawnedProcess, kept_lines: int) -> None:
        self.pid = spawned.popen.pid
        self.exit_code: int | None = None
        self._popen = spawned.popen
        self._channel = spawned.channel
        self._hangup_fd = spawned.hangup_fd
        self._lines: deque[str] = deque(maxlen=kept_lines)
        self._exited = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writer: asyncio.StreamWriter | None = None
        self._unsent: list[bytes] = []

    @classmethod
    def attend(
        cls,
        spawned: SpawnedProcess,
        *,
        on_line: LineHandler,
        on_output: OutputHandler,
        kept_lines: int = 50,
    ) -> ChildProcess:
        """Listen to a process from now on; to be called on the running event loop.

        Args:
            spawned: the process.
            on_line: gets every line that the child sends over the channel.
            on_output: gets ``("stdout" | "stderr", line)`` for every line that it prints.
            kept_lines: number of last printed lines to keep.
        """
        spawned.owned = True
        child = cls(spawned, kept_lines)
        child._watch_exit()
        child._listen(on_line, on_output)
        return child

    @property
    def output(self) -> tuple[str, ...]:
        """The last lines that the child printed."""
        return tuple(self._lines)

    def send_line(self, line: str) -> None:
        """Send one line to the child; does nothing when it is gone."""
        data = line.encode() + b"\n"
        if self._writer is None:
            self._unsent.append(data)
        elif not self._writer.is_closing():
            self._writer.write(data)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the child alone."""
        if not self._exited.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL the whole process group."""
        if not self._exited.is_set():
            kill_group(self.pid)

    async def wait(self) -> int:
        """Wait for the exit, the group and the output; return the exit code."""
        await self._exited.wait()
        assert self.exit_code is not None
        return self.exit_code

    def _watch_exit(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            pidfd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # not Linux, or a sandbox without the call
            report = functools.partial(loop.call_soon_threadsafe, self._begin_finish)
            threading.Thread(target=_wait_then, args=(self._popen, report), daemon=True).start()
            return

        def exited() -> None:
            loop.remove_reader(pidfd)
            os.close(pidfd)
            self._begin_finish()

        loop.add_reader(pidfd, exited)

    def _begin_finish(self) -> None:
        kill_group(self.pid)
        self.exit_code = self._popen.wait()  # returns at once: it has exited
        self._finishing = asyncio.get_running_loop().create_task(self._finish())

    async def _finish(self) -> None:
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_OUTPUT_LEFTOVER_S)
            for task in late:
                task.cancel()
        if self._writer is not None:
            self._writer.close()
        os.close(self._hangup_fd)
        self._exited.set()

    def _listen(self, on_line: LineHandler, on_output: OutputHandler) -> None:
        self._keep(self._read_channel(on_line))
        for name, pipe in (("stdout", self._popen.stdout), ("stderr", self._popen.stderr)):
            assert pipe is not None
            self._keep(self._read_output(pipe, functools.partial(on_output, name)))

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._while_the_loop_runs(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _while_the_loop_runs(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            # The event loop ends before the child has. Its pipes close now, the lifeline only with this process. A
            # child that ends in between, because it cannot print, would leave its own children without a parent.
            if self.exit_code is None:
                kill_group(self.pid)
            raise

    async def _read_channel(self, on_line: LineHandler) -> None:
        reader, self._writer = await asyncio.open_connection(sock=self._channel, limit=_LONGEST_MESSAGE)
        self._writer.writelines(self._unsent)
        self._unsent.clear()
        with contextlib.suppress(ConnectionError, ValueError):  # ValueError: the line is longer than the limit
            while line := await reader.readline():
                on_line(line.decode(errors="replace").rstrip("\n"))

    async def _read_output(self, pipe: IO[bytes], on_line: LineHandler) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_LONGEST_LINE)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        try:
            rest = b""
            while block := await reader.read(_LONGEST_LINE):
                *lines, rest = (rest + block).split(b"\n")
                if len(rest) >= _LONGEST_LINE:
                    lines, rest = [*lines, rest], b""
                for line in lines:
                    self._heard(line, on_line)
            if rest:
                self._heard(rest, on_line)
        finally:
            transport.close()

    def _heard(self, line: bytes, on_line: LineHandler) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        self._lines.append(text)
        on_line(text)


def _wait_then(popen: subprocess.Popen[bytes], report: Callable[[], object]) -> None:
    popen.wait()
    with contextlib.suppress(RuntimeError):  # the event loop is gone, and with it everyone who would care
        report()
