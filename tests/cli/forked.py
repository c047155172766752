"""Runs of programs in forks of a process with their libraries.

Most of a short command's time is the import of libraries of others. What is FluxLit's own is imported in the fork, with
the run's arguments, variables, folder and streams, and the fork ends as a program does. Programs that such a run starts
by this Python are forks too, if they are known here, and so are those of a shell with `Forks.folder` on its PATH.
"""

from __future__ import annotations

import atexit
import contextlib
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
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COMMAND = (
    *("asyncio", "fastapi", "httptools", "httpx", "httpx_ws", "jinja2", "joserfc.jwt", "packaging.requirements"),
    *("pydantic_settings", "ssl", "typer", "uvicorn", "watchfiles", "yaml"),
)
PYTEST = (*COMMAND, "_pytest.assertion.rewrite", "streamlit.runtime")
MOST = 1024 * 1024
CLIENT = Path(__file__).with_name("forked_run.py")
SHELL = """#!/bin/sh
case "$1 $2" in
{known}) exec "{python}" -IS "{client}" "{address}" "{program}" "$@" ;;
esac
exec "{real}" "$@"
"""


class Forks:
    """Starts runs, each as a fork of one process.

    Args:
        environ: of that process.
        libraries: what it imports.
        shells: program in `folder` -> what of it is run in forks, as patterns of a shell for its first two arguments.
    """

    def __init__(self, environ: Mapping[str, str], libraries: Sequence[str], shells: Mapping[str, str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="flx-forks-"))
        self._address = str(self.folder / "socket")
        for name, known in shells.items():
            real = Path(sys.executable).with_name(name)
            program = "" if name == "python" else str(real)
            places = {"python": sys.executable, "client": CLIENT, "address": self._address}
            (self.folder / name).write_text(SHELL.format(known=known, program=program, real=real, **places))
            (self.folder / name).chmod(0o755)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(self._address)
            listener.listen(128)
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error::SyntaxWarning", __file__, str(listener.fileno()), *libraries],
                env=environ,
                stdin=subprocess.PIPE,  # it ends with this process
                stdout=subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
            )
        atexit.register(self.close)

    def close(self) -> None:
        """End that process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(
        self,
        arguments: Sequence[str],
        cwd: Path | None,
        environ: Mapping[str, str],
        timeout: float,
        script: Path | None = None,
        module: str = "fluxlit_cli",
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, as `subprocess.run` does.

        Args:
            arguments: behind the program's name.
            cwd: its folder; by default that of this process.
            environ: all of its variables.
            timeout: seconds until it is killed, and `TimeoutError` raised.
            script: the installed script, with standard error in its output; by default the module.
            module: it runs as `python -m` does.
        """
        program = ["-m", module] if script is None else []
        request = [str(script or ""), [*program, *arguments], str(cwd or Path.cwd()), dict(environ)]
        with (
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            open(os.devnull, "rb") as nothing,  # noqa: PTH123
            socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control,
        ):
            control.connect(self._address)
            streams = [nothing.fileno(), out.fileno(), (out if script else err).fileno()]
            socket.send_fds(control, [json.dumps(request).encode()], streams)
            control.settimeout(timeout)
            control.recv(MOST)  # its process id
            code = int(control.recv(MOST))
            texts = [os.pread(each.fileno(), MOST, 0).decode() for each in (out, err)]
        return subprocess.CompletedProcess(list(arguments), code, *texts)


@functools.cache
def forks() -> Forks:
    """Those of FluxLit's command."""
    from tests.support.processes import clean_environ  # noqa: PLC0415 - a fork knows nothing of the tests

    shells = {"fluxlit": "*", "python": '"-m fluxlit_cli.facts"'}
    return Forks(clean_environ(PYTHONUNBUFFERED="1"), COMMAND, shells)


@functools.cache
def pytest_forks() -> Forks:
    """Those of pytest in a project."""
    from tests.support.processes import clean_environ  # noqa: PLC0415

    return Forks(clean_environ(PYTHONUNBUFFERED="1"), PYTEST, {"pytest": "*", "python": '"-m pytest"'})


def serve(listener: socket.socket) -> list[Any]:
    """Fork for each request; return in the fork, with the request."""
    while True:
        ready, _, _ = select.select([listener.fileno(), sys.stdin.fileno()], [], [])
        if sys.stdin.fileno() in ready:
            sys.exit()
        control, _ = listener.accept()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if os.fork() == 0:
            listener.close()
            return follow(control)
        control.close()


def follow(control: socket.socket) -> list[Any]:
    """Return in the fork for a request; in its parent see to its end."""
    data, descriptors, _, _ = socket.recv_fds(control, MOST, 3)
    if (child := os.fork()) == 0:
        os.setsid()
        control.close()
        for target, descriptor in enumerate(descriptors):
            os.dup2(descriptor, target)
            os.close(descriptor)
        request: list[Any] = json.loads(data)
        return request
    for descriptor in (0, *descriptors):
        os.close(descriptor)
    control.send(str(child).encode())
    ended = os.pidfd_open(child)
    ready, _, _ = select.select([ended, control.fileno()], [], [])
    if ended not in ready:  # who asked is gone
        os.kill(child, signal.SIGKILL)
    with contextlib.suppress(BrokenPipeError):
        control.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
    os._exit(0)


def main(listener: int, libraries: Sequence[str]) -> None:
    """Be that process, and then one of its forks."""
    for name in libraries:
        importlib.import_module(name)
    if "anyio" in sys.modules:  # pytest warns of plugins that it cannot rewrite
        sys.modules["anyio"].__doc__ = "PYTEST_DONT_REWRITE"
    gc.freeze()
    folder = Path(socket.socket(fileno=os.dup(listener)).getsockname()).parent
    script, arguments, cwd, environ = serve(socket.socket(fileno=listener))
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(cwd)
    if (folder / "python").exists():
        sys.executable = str(folder / "python")
    if script:
        sys.argv = [script, *arguments]
        sys.path[0] = str(Path(script).parent)
        runpy.run_path(script, run_name="__main__")
    else:
        _, module, *rest = arguments
        sys.argv = [module, *rest]
        sys.path[0] = cwd
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
