"""Runs of the command in forks of a process with its libraries.

Most of a short command's time is the import of libraries of others. What is FluxLit's own is imported in the fork, with
the run's arguments, variables, folder and streams, and the fork ends as a program does.
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
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LIBRARIES = (
    *("asyncio", "fastapi", "httptools", "httpx", "httpx_ws", "jinja2", "joserfc.jwt", "packaging.requirements"),
    *("pydantic_settings", "ssl", "typer", "uvicorn", "watchfiles", "yaml"),
)
MOST = 1024 * 1024


class Forks:
    """Starts runs, each as a fork of one process.

    Args:
        environ: of that process.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error::SyntaxWarning", __file__, str(theirs.fileno())],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self.close)

    def close(self) -> None:
        """End that process."""
        self._control.close()
        self._process.wait()

    def run(
        self,
        arguments: Sequence[str],
        cwd: Path | None,
        environ: Mapping[str, str],
        timeout: float,
        script: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end, as `subprocess.run` does.

        Args:
            arguments: behind the command's name.
            cwd: its folder; by default that of this process.
            environ: all of its variables.
            timeout: seconds until it is killed, and `TimeoutError` raised.
            script: the installed script, with standard error in its output; by default the module.
        """
        request = json.dumps([arguments, str(cwd or Path.cwd()), dict(environ), str(script or "")]).encode()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            socket.send_fds(self._control, [request], [out.fileno(), (out if script else err).fileno()])
            child = int(self._control.recv(MOST))
            self._control.settimeout(timeout)
            try:
                code = int(self._control.recv(MOST))
            except TimeoutError:
                os.kill(child, signal.SIGKILL)
                self._control.recv(MOST)
                raise
            finally:
                self._control.settimeout(None)
            texts = [os.pread(each.fileno(), MOST, 0).decode() for each in (out, err)]
        return subprocess.CompletedProcess(list(arguments), code, *texts)


@functools.cache
def forks() -> Forks:
    """Those of this process."""
    from tests.support.processes import clean_environ  # noqa: PLC0415 - a fork knows nothing of the tests

    return Forks(clean_environ(PYTHONUNBUFFERED="1"))


def serve(control: socket.socket) -> list[Any]:
    """Fork for each request; return in the fork, with the request."""
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, MOST, 2)
        if not data:  # the other end is closed
            sys.exit()
        if (child := os.fork()) == 0:
            control.close()
            for target, descriptor in enumerate(descriptors, 1):
                os.dup2(descriptor, target)
                os.close(descriptor)
            request: list[Any] = json.loads(data)
            return request
        for descriptor in descriptors:
            os.close(descriptor)
        with contextlib.suppress(BrokenPipeError):
            control.send(str(child).encode())
            control.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())


def main() -> None:
    """Be that process, and then one of its forks."""
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.freeze()
    arguments, cwd, environ, script = serve(socket.socket(fileno=int(sys.argv[1])))
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(cwd)
    sys.argv = [script, *arguments]
    if script:
        sys.path[0] = str(Path(script).parent)
        runpy.run_path(script, run_name="__main__")
    else:
        sys.path[0] = cwd
        runpy.run_module("fluxlit_cli", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
