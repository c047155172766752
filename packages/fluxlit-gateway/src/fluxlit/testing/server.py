"""The whole application in a server process on a free port."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from fluxlit.errors import FluxLitError
from fluxlit.server.sockets.listeners import reserved_port

_POLL_S = 0.05
# Every process of a server inherits this variable; it identifies them in any process group.
_MARK = "FLUXLIT_TESTING_SERVER"
_CLEANUP_S = 5.0


class ServerError(FluxLitError):
    """The server failed to start or stop; the message ends with its log."""


@dataclass
class Server:
    """A running application.

    Attributes:
        url: its address, with the public mount and without a slash at the end.
        api_url: the address of its API.
        process: the process that was started.
        log_file: everything it prints.
    """

    url: str
    api_url: str
    process: subprocess.Popen[bytes]
    log_file: Path
    mark: str = field(repr=False)

    def log(self) -> str:
        """Everything that the server has printed so far."""
        return self.log_file.read_text(errors="replace")

    def processes(self) -> list[int]:
        """Process ids of the server and its workers (Linux; else the first)."""
        if not Path("/proc").is_dir():
            return [self.process.pid] if self.process.poll() is None else []
        return [pid for pid in _running() if _carries(pid, self.mark)]

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Return once `readyz` reports that API and UI can serve.

        Raises:
            ServerError: if that takes more than `timeout` seconds, or the process ends.
        """
        deadline = time.monotonic() + timeout
        while True:
            code = self.process.poll()
            if code is not None:
                raise ServerError(f"The server ended with exit code {code} before it was ready.\n{self.log()}")
            status = _status(f"{self.api_url}/readyz")
            if status == 200:
                return
            if time.monotonic() > deadline:
                raise ServerError(f"The server was not ready within {timeout} s (readyz: {status}).\n{self.log()}")
            time.sleep(_POLL_S)

    def stop(self, signum: int = signal.SIGTERM, timeout: float = 40.0) -> int:
        """End the server by a signal; its exit code.

        Raises:
            ServerError: if it is still there after `timeout` seconds, or leaves a process behind. Both are killed.
        """
        if self.process.poll() is None:
            self.process.send_signal(signum)
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerError(f"The server did not stop within {timeout} s.\n{self.log()}") from None
        self._check_nothing_left()
        return code

    def _check_nothing_left(self) -> None:
        deadline = time.monotonic() + _CLEANUP_S
        while left := self.processes():
            if time.monotonic() > deadline:
                self.kill()
                raise ServerError(f"The server left processes behind: {left}.\n{self.log()}")
            time.sleep(_POLL_S)

    def kill(self) -> None:
        """End all its processes at once; returns when they are gone."""
        deadline = time.monotonic() + _CLEANUP_S
        while (left := self.processes()) and time.monotonic() < deadline:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.poll()
            time.sleep(_POLL_S)
        self.process.wait()


@contextmanager
def run_server(
    target: str,
    directory: str | Path,
    *,
    command: Literal["uvicorn", "run", "dev"] = "uvicorn",
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    timeout: float = 60.0,
    **settings: Any,
) -> Iterator[Server]:
    """Serve an application on a free port, from ready to stopped.

    ```python
    with run_server("app:app", "examples/quickstart") as server:
        assert httpx.get(f"{server.api_url}/healthz").status_code == 200
    ```

    Args:
        target: `module:attribute`, as for uvicorn.
        directory: the working directory of the server.
        command: `uvicorn`, or `run` or `dev` of the command `fluxlit`, which must be installed then.
        arguments: more arguments for the command.
        environment: more variables. Those of this process that begin with `FLUXLIT_` or `STREAMLIT_` are left out.
        timeout: seconds until it must be ready.
        settings: FluxLit's settings by name, given by the environment.

    Raises:
        ServerError: if it does not get ready, does not stop, or leaves a process behind.
    """
    with TemporaryDirectory(prefix="fluxlit-testing-") as folder, reserved_port() as port:
        program = ["uvicorn", target] if command == "uvicorn" else ["fluxlit_cli", command, target]
        variables = _environment(settings) | dict(environment or {})
        log_file = Path(folder) / "server.log"
        process, mark = _start([*program, *arguments, "--port", str(port)], Path(directory), variables, log_file)
        url = f"http://127.0.0.1:{port}{settings.get('root_path', '')}"
        server = Server(url, f"{url}{settings.get('api_mount_path', '/api')}", process, log_file, mark)
        try:
            server.wait_ready(timeout)
            yield server
        except BaseException:
            server.kill()
            raise
        server.stop()


def _start(
    arguments: Sequence[str], directory: Path, environment: Mapping[str, str], log_file: Path
) -> tuple[subprocess.Popen[bytes], str]:
    mark = uuid.uuid4().hex
    with log_file.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - the program is this Python
            [sys.executable, "-m", *arguments],
            cwd=directory,
            env={**environment, _MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return process, mark


def _environment(settings: Mapping[str, Any]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("FLUXLIT_", "STREAMLIT_"))}
    given = {
        f"FLUXLIT_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in settings.items()
    }
    return inherited | {"PYTHONUNBUFFERED": "1"} | given


def _status(url: str) -> int | None:
    # Without the environment's proxies, which would be asked for 127.0.0.1 too.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None


def _running() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _carries(pid: int, mark: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # it has ended, or is another user's
        return False
    return f"{_MARK}={mark}".encode() in environment.split(b"\0")
