"""Programs that tests start, as forks of a process with their libraries.

A server and its worker import for a second of computing each, and tests start hundreds. `Forks` replaces the one
function with which `subprocess` starts programs: those of FluxLit are forks of a process that has imported what they
would and has run nothing, and so are the processes of this Python that such a program starts itself, like a worker.
From outside they are what they would be otherwise: parent, session, descriptors, variables, folder and command line are
those of the program. What is unusual in any way is started as it is. So is the first of each kind, in one of the
processes of a run: libraries that are there already would hide an import that is missing.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import fcntl
import functools
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

WARNINGS = ["-W", "error::SyntaxWarning"]
# Libraries read these while they are imported.
DECISIVE = ("PYTHON", "LC_", "LANG", "TZ", "LD_", "MALLOC_", "OTEL_", "FORCE_COLOR", "NO_COLOR", "TERM")
UNBUFFERED = "PYTHONUNBUFFERED"
BEYOND = 512  # No program is given a descriptor of this number or above.
MOST = 1024 * 1024
PR_SET_MM, PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER, PR_SET_MM_MAP = 35, 36, 37, 14
SHELL = """#!/bin/sh
case "$1 $2" in
{known}) exec "{python}" -IS "{client}" "{address}" "{real}" "$@" ;;
esac
exec "{real}" "$@"
"""
KEPT: list[object] = []


@dataclass
class Program:
    """What is to run.

    Attributes:
        line: its command line.
        module: what it runs as `python -m` does; or
        script: what it runs as `python PATH` does.
        arguments: behind that.
        folder: its working directory.
        environ: all of its variables.
        session: it begins a session.
        numbers: the numbers that its descriptors get.
    """

    line: list[str]
    module: str
    script: str
    arguments: list[str]
    folder: str
    environ: dict[str, str]
    session: bool
    numbers: list[int]

    @classmethod
    def of(cls, parameters: Sequence[Any], known: Sequence[str]) -> tuple[Program, list[int]] | None:
        """Read the parameters of `_posixsubprocess.fork_exec`.

        Returns:
            The program and its descriptors; `None` if it has to be a program of its own.
        """
        words, _, _, passed, folder, environ, stdin, _, _, stdout, _, stderr, _, failure, _, session = parameters[:16]
        line, module, script, arguments = understood([os.fsdecode(word) for word in words])
        if environ is None or (module or Path(script).name) not in known:
            return None
        if any(value not in (-1, None) for value in parameters[16:22]):  # a group, a user, a function
            return None
        variables = dict(os.fsdecode(pair).split("=", 1) for pair in environ)
        if any(value != os.environ.get(name) for name, value in variables.items() if decisive(name)):
            return None
        others = [number for number in passed if number != failure]
        standard = [number if own == -1 else own for number, own in enumerate((stdin, stdout, stderr))]
        place = str(Path(os.fsdecode(folder or ".")).absolute())
        program = cls(line, module, script, arguments, place, variables, bool(session), [0, 1, 2, *others])
        return program, [*standard, *others]

    @property
    def kind(self) -> tuple[str, ...]:
        """Its name, and that of its command if it has one."""
        return (self.module or Path(self.script).name, *(word for word in self.arguments[:1] if word.isalpha()))

    def send(self, channel: socket.socket, descriptors: Sequence[int]) -> int:
        """Have it started; return its process id, 0 if that is not possible."""
        with contextlib.suppress(ConnectionError):
            socket.send_fds(channel, [json.dumps(asdict(self)).encode()], descriptors)
            return int(channel.recv(64) or 0)
        return 0

    @classmethod
    def receive(cls, channel: socket.socket) -> tuple[Program, list[int]]:
        """Wait for one; end when no request can come any more."""
        data, descriptors, _, _ = socket.recv_fds(channel, MOST, 16)
        if not data:
            os._exit(0)
        return cls(**json.loads(data)), list(descriptors)

    def run(self, descriptors: Sequence[int]) -> None:
        """Be it, to its end."""
        sources = [beyond(each) for each in descriptors]
        for number in [int(name) for name in os.listdir("/proc/self/fd")]:  # noqa: PTH208 - which keeps none open
            if number < BEYOND:
                with contextlib.suppress(OSError):
                    os.close(number)
        for number, source in zip(self.numbers, sources, strict=True):
            os.dup2(source, number)
            os.close(source)
        os.environ.clear()
        os.environ.update(self.environ)
        os.chdir(self.folder)
        open_streams(write_through=UNBUFFERED in self.environ)
        show(self.line, self.environ)
        sys.argv = [self.script or self.module, *self.arguments]
        sys.orig_argv = list(self.line)
        sys.path[0] = str(Path(self.script).parent) if self.script else self.folder
        try:
            if self.script:
                runpy.run_path(self.script, run_name="__main__")
            else:
                runpy.run_module(self.module, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            if not isinstance(end.code, int | None):
                raise
            leave(end.code or 0)
        leave(0)


def leave(code: int) -> None:
    """End as Python does, but leave all objects as they are.

    Each that is taken apart copies its page of memory, and half of the time of a short command went into that.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    with contextlib.suppress(ValueError):  # it is closed
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def understood(line: list[str]) -> tuple[list[str], str, str, list[str]]:
    """Split a command line.

    Returns:
        The line as Linux shows it; the module or the script, empty if it has none; what follows.
    """
    if line[0] != sys.executable:
        ours = Path(line[0]).parent == Path(sys.executable).parent
        return [sys.executable, *line], "", line[0] if ours else "", line[1:]
    rest = line[3:] if line[1:3] == WARNINGS else line[1:]
    return (line, rest[1], "", rest[2:]) if rest[:1] == ["-m"] and len(rest) > 1 else (line, "", "", [])


def beyond(number: int) -> int:
    """Return a copy of a descriptor where no program looks."""
    return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, BEYOND)


def decisive(name: str) -> bool:
    """Whether a program with another value of a variable cannot be a fork."""
    return name.startswith(DECISIVE) and name != UNBUFFERED


def open_streams(*, write_through: bool) -> None:
    """Open the standard streams as Python does when it starts."""
    sys.stdin = open(0, errors=sys.stdin.errors)  # noqa: SIM115
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = open(number, "w", errors=getattr(sys, name).errors)  # noqa: PTH123, SIM115
        by_line = not write_through and (name == "stderr" or stream.isatty())
        stream.reconfigure(line_buffering=by_line, write_through=write_through)
        setattr(sys, name, stream)


@functools.cache
def library() -> ctypes.CDLL:
    """Return the C library."""
    return ctypes.CDLL(None, use_errno=True)


def show(line: Sequence[str], environ: Mapping[str, str]) -> None:
    """Show a command line and variables in /proc (`prctl(2)`, PR_SET_MM)."""
    words = b"".join(os.fsencode(word) + b"\0" for word in line)
    pairs = b"".join(os.fsencode(f"{name}={value}") + b"\0" for name, value in environ.items())
    auxiliary = Path("/proc/self/auxv").read_bytes()
    shown, kept = ctypes.create_string_buffer(words + pairs), ctypes.create_string_buffer(auxiliary)
    KEPT.append((shown, kept))
    start, middle, end = (ctypes.addressof(shown) + each for each in (0, len(words), len(words) + len(pairs)))
    stat = [int(each) for each in Path("/proc/self/stat").read_text().rpartition(")")[2].split()[1:]]
    library().sbrk.restype = ctypes.c_void_p
    code, stack, data = stat[22:24], stat[24], stat[41:44]
    memory = struct.pack("=11Q", *code, *data, library().sbrk(0), stack, start, middle, middle, end)
    memory += struct.pack("=QIi", ctypes.addressof(kept), len(auxiliary), -1)
    if library().prctl(PR_SET_MM, PR_SET_MM_MAP, memory, len(memory), 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl: PR_SET_MM_MAP")


@contextlib.contextmanager
def adopting() -> Iterator[None]:
    """Become the parent of descendants that lose their own meanwhile."""
    before = ctypes.c_int()
    library().prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    library().prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        library().prctl(PR_SET_CHILD_SUBREAPER, before.value, 0, 0, 0)


class Forks:
    """Starts programs as forks, in place of `_posixsubprocess.fork_exec`.

    Args:
        channel: a connection to the process that forks.
        known: modules, and scripts beside this Python.
        at_once: even the first program of each kind.
    """

    def __init__(self, channel: Callable[[], socket.socket], known: Sequence[str], *, at_once: bool = False) -> None:
        self._channel = channel
        self._known = known
        self._at_once = at_once
        self._seen: set[tuple[str, ...]] = set()
        self._lock = threading.Lock()
        self._start: Callable[..., int] = subprocess._fork_exec  # type: ignore[attr-defined]
        subprocess._fork_exec = self  # type: ignore[attr-defined]
        # The other way, which Python 3.13 takes more often.
        subprocess._USE_POSIX_SPAWN = False  # type: ignore[misc]

    def __call__(self, *parameters: Any) -> int:
        """Start a program; return its process id."""
        wanted = Program.of(parameters, self._known)
        if wanted is None or (not self._at_once and self.is_first(wanted[0])):
            return self._start(*parameters)
        program, descriptors = wanted
        with self._lock, adopting():
            started = program.send(self._channel(), descriptors)
        if not started:
            self._known = ()
        return started or self._start(*parameters)

    def is_first(self, program: Program) -> bool:
        """Whether none of its kind has been started."""
        first = self._seen.isdisjoint({program.kind})
        self._seen.add(program.kind)
        return first


class Libraries:
    """A process that has imported libraries, and is forked from then on.

    Args:
        libraries: what a program imports.
        known: modules and scripts that are forks; see `Forks`.
        children: what children of a program import.
        known_children: modules that such a child runs.
        at_once: even the first program of each kind.
        shells: program in `folder` -> what of it is run in forks, as patterns of a shell for its first two arguments.
    """

    def __init__(
        self,
        libraries: Sequence[str],
        known: Sequence[str],
        shells: Mapping[str, str],
        *,
        children: Sequence[str] = (),
        known_children: Sequence[str] = (),
        at_once: bool = False,
    ) -> None:
        self._imported = json.dumps([libraries, children, known_children])
        self._shells = shells
        if sys.platform == "linux":
            Forks(lambda: self.channel, known, at_once=at_once)

    @property
    def folder(self) -> Path:
        """A folder of programs for a shell's PATH, which run in forks."""
        assert self.channel.fileno() >= 0
        return self._folder

    @functools.cached_property
    def _folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="flx-forks-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        places = {"python": sys.executable, "client": Path(__file__).with_name("forked_run.py")}
        for name, known in self._shells.items():
            real = Path(sys.executable).with_name(name)
            (folder / name).write_text(SHELL.format(known=known, address=folder / "socket", real=real, **places))
            (folder / name).chmod(0o755)
        return folder

    @functools.cached_property
    def channel(self) -> socket.socket:
        """A connection to the process, which ends with this one."""
        from tests.support.processes import clean_environ  # noqa: PLC0415 - a fork knows nothing of the tests

        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(str(self._folder / "socket"))
            listener.listen(128)
            numbers = [theirs.fileno(), listener.fileno()]
            line = [sys.executable, *WARNINGS, __file__, *map(str, numbers), self._imported]
            null = subprocess.DEVNULL
            KEPT.append(subprocess.Popen(line, env=clean_environ(), pass_fds=numbers, stdin=null, stdout=null))
        atexit.register(ours.close)
        return ours


def serve(channel: socket.socket, listener: socket.socket) -> tuple[Program, list[int]]:
    """Fork for each program; return in the fork."""
    while True:
        ready, _, _ = select.select([channel, listener], [], [])
        started = from_subprocess(channel) if channel in ready else from_shell(listener)
        if started is not None:
            channel.close()
            listener.close()
            return started


def from_subprocess(channel: socket.socket) -> tuple[Program, list[int]] | None:
    """Fork a program; return it in the fork, which is a child of who asked."""
    program, descriptors = Program.receive(channel)
    told, tells = os.pipe()
    adopted, adopts = os.pipe()
    if (between := os.fork()) == 0:
        if (child := os.fork()) == 0:
            os.close(adopts)
            os.read(adopted, 1)  # ends when `between` has ended, and the process below has closed it
            return program, descriptors
        os.write(tells, str(child).encode())
        os._exit(0)
    os.waitpid(between, 0)
    channel.send(os.read(told, 64))
    for each in (told, tells, adopted, adopts, *descriptors):
        os.close(each)
    return None


def from_shell(listener: socket.socket) -> tuple[Program, list[int]] | None:
    """Fork a program; return it in the fork. Its parent sends the exit code."""
    control, _ = listener.accept()
    with control:
        if os.fork() == 0:
            program, descriptors = Program.receive(control)
            if (child := os.fork()) == 0:
                return program, descriptors
            for each in descriptors:
                os.close(each)
            ended = os.pidfd_open(child)
            ready, _, _ = select.select([ended, control.fileno()], [], [])
            if ended not in ready:  # who asked is gone
                os.kill(child, signal.SIGKILL)
            with contextlib.suppress(BrokenPipeError):
                control.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
            os._exit(0)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return None


def main(channel: int, listener: int, imported: str) -> None:
    """Be the process with the libraries, then a program or its child."""
    show(["libraries"], {})  # fails where a fork could not look like its program
    libraries, children, known_children = json.loads(imported)
    for name in libraries:
        importlib.import_module(name)
    own = dict(sys.modules)
    for name in children:
        importlib.import_module(name)
    if "pytest" in sys.modules and "anyio" in sys.modules:  # pytest warns of plugins that it cannot rewrite
        sys.modules["anyio"].__doc__ = "PYTEST_DONT_REWRITE"
    gc.collect()
    gc.freeze()
    program, descriptors = serve(socket.socket(fileno=channel), socket.socket(fileno=listener))
    if program.session:
        os.setsid()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if known_children and os.fork() == 0:
        for each in (ours.detach(), *descriptors):
            os.close(each)
        be_child(theirs)
    else:
        theirs.close()
        forget(own)
        kept = socket.socket(fileno=beyond(ours.fileno()))
        ours.close()
        Forks(lambda: kept, known_children, at_once=True)
        program.run(descriptors)


def be_child(channel: socket.socket) -> None:
    """Wait until the program starts one of its children, and be it.

    Another process waits for the next one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    program, descriptors = Program.receive(channel)
    while (between := os.fork()) == 0:
        if os.fork() != 0:
            os._exit(0)
        for each in descriptors:
            os.close(each)
        program, descriptors = Program.receive(channel)
    os.waitpid(between, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if program.session:
        os.setsid()
    for module in [module for name, module in sys.modules.items() if name.startswith("websockets.")]:
        for constant in {"MAX_LINE_LENGTH", "MAX_NUM_HEADERS"} & vars(module).keys():  # read while it is imported
            if value := program.environ.get(f"WEBSOCKETS_{constant}"):
                setattr(module, constant, int(value))
    channel.send(str(os.getpid()).encode())
    program.run(descriptors)


def forget(own: Mapping[str, ModuleType]) -> None:
    """Leave no module that a program itself does not import."""
    for name, module in list(sys.modules.items()):
        if name not in own:
            package, _, short = name.rpartition(".")
            if package in own and getattr(own[package], short, None) is module:
                delattr(own[package], short)
            KEPT.append(module)  # not to take it apart
            del sys.modules[name]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
