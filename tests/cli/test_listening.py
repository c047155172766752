"""`fluxlit run` for operators: addresses, reload, notifications."""

from __future__ import annotations

import http.client
import os
import select
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psutil
import pytest

from tests.cli.command import COMMAND, fluxlit, nothing_left, says, write
from tests.gateway.server.sockets.certificates import make_certificate
from tests.support.processes import Server, background, clean_environ, descendants
from tests.support.waiting import until

pytestmark = pytest.mark.slow

APP = (
    "from fluxlit import FluxLit\napp = FluxLit()\n"
    "@app.api.get('/n')\ndef n():\n    return 1\n"
    "@app.page('/')\ndef home(st):\n    st.title('Home')\n"
)
API_ONLY = APP.partition("@app.page")[0]


@contextmanager
def running(
    directory: Path, *arguments: str, command: Sequence[str] = (), **environ: str
) -> Iterator[tuple[Server, str]]:
    """Run an application and yield its address; no process may remain."""
    with (
        nothing_left() as mark,
        background(
            [*(command or COMMAND), "run", *arguments], cwd=directory, environ=clean_environ(**environ) | mark
        ) as server,
    ):
        yield server, server.wait_for(r"FluxLit is ready at (\S+) \(", 60)[1]
        server.process.wait(60)


def get(address: str, path: str, context: ssl.SSLContext | None = None) -> tuple[int, bytes]:
    host, port = address.rpartition("/")[0].rpartition("/")[2].split(":")
    connection = (
        http.client.HTTPSConnection(host, int(port), context=context, timeout=60)
        if context
        else http.client.HTTPConnection(host, int(port), timeout=60)
    )
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def get_over(path: Path, target: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(path))
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while part := client.recv(65536):
            answer += part
        return answer


def workers(server: Server) -> set[int]:
    return {each.pid for each in descendants(server.process.pid) if "fluxlit.worker" in " ".join(cmdline(each))}


def cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def heard(manager: socket.socket) -> dict[str, str]:
    while True:
        message = dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())
        if message != {"WATCHDOG": "1"}:
            return message


class Visitors:
    """Threads that send requests all the time and count failures."""

    def __init__(self, ask: Callable[[], tuple[int, bytes]]) -> None:
        self._ask = ask
        self._over = threading.Event()
        self.answers = 0
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._run) for _ in range(4)]

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                status, _ = self._ask()
            except OSError as error:
                status = 0
                self.failures.append(repr(error))
            if status != 200:
                self.failures.append(str(status))
            self.answers += 1

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()


def test_sighup_renews_workers_and_certificate_while_no_request_fails_and_systemd_hears_of_it(tmp_path: Path) -> None:
    write(tmp_path, APP)
    certificate, key = make_certificate(tmp_path, "one")
    second, second_key = make_certificate(tmp_path, "two")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(60)
    arguments = ["--port", "0", "--workers", "2", "--pidfile", "app.pid"]
    arguments += ["--tls-certificate", str(certificate), "--tls-key", str(key)]
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"}
    with manager, running(tmp_path, *arguments, **environ) as (server, url):
        assert url.startswith("https://127.0.0.1:")
        assert heard(manager) == {"READY": "1", "STATUS": "app:app"}
        assert (tmp_path / "app.pid").read_text() == f"{server.process.pid}\n"
        says(fluxlit("run", "--pidfile", "app.pid", directory=tmp_path), 3, f"runs as process {server.process.pid}")
        context = ssl.create_default_context(cafile=str(certificate))
        context.load_verify_locations(str(second))
        old = workers(server)
        assert len(old) == 2
        with Visitors(lambda: get(url, "/", context)) as visitors:
            until(lambda: visitors.answers > 20, "visitors are served")
            certificate.write_text(second.read_text())
            key.write_text(second_key.read_text())
            server.process.send_signal(signal.SIGHUP)
            assert heard(manager)["RELOADING"] == "1"
            assert heard(manager) == {"READY": "1"}
            since = visitors.answers
            until(lambda: visitors.answers > since + 20, "visitors are still served")
        assert visitors.failures == []
        assert not old & workers(server)
        assert len(workers(server)) == 2
        assert get(url, "/api/n", ssl.create_default_context(cafile=str(second))) == (200, b"1")
        done = fluxlit("healthcheck", directory=tmp_path)
        assert (done.returncode, done.stdout) == (0, "ready\n"), done.stderr
        server.process.send_signal(signal.SIGTERM)
        message = heard(manager)
        assert message["STOPPING"] == "1"
        assert int(message["EXTEND_TIMEOUT_USEC"]) >= 40_000_000
        assert server.process.wait(60) == 0
    assert not (tmp_path / "app.pid").exists()


def test_a_unix_socket(tmp_path: Path) -> None:
    write(tmp_path, API_ONLY)
    path = tmp_path / "app.sock"
    (tmp_path / "app.pid").write_text("1\n")  # left behind
    with running(tmp_path, "--uds", "app.sock", "--uds-mode", "600", "--pidfile", "app.pid") as (server, url):
        assert url == f"unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o600
        assert get_over(path, "/api/n").endswith(b"\r\n\r\n1")
        says(fluxlit("run", "--uds", "app.sock", directory=tmp_path), 3, f"Socket {path} is already in use")
        done = fluxlit("healthcheck", "--live", directory=tmp_path)
        assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
        server.stop()
    assert not path.exists()
    assert not (tmp_path / "app.pid").exists()


@pytest.mark.parametrize("way", ["flag", "systemd"])
def test_a_socket_that_is_passed_on(way: str, tmp_path: Path) -> None:
    write(tmp_path, API_ONLY)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        # What systemd does: the socket is number 3, and the variables name the process that they are meant for.
        number = "3" if way == "systemd" else "7"
        passing = f"exec {number}<&{listener.fileno()}; "
        passing += "export LISTEN_PID=$$ LISTEN_FDS=1; " if way == "systemd" else ""
        passing += "exec " + " ".join([shlex.quote(part) for part in (*COMMAND, "run")]) + ' "$@"'
        arguments = ["--fd", "7"] if way == "flag" else []
        process = subprocess.Popen(
            ["bash", "-c", passing, "run", *arguments],
            cwd=tmp_path,
            env=clean_environ(),
            pass_fds=[listener.fileno()],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with process:
            try:
                assert process.stdout is not None
                lines = iter(process.stdout.readline, "")
                assert next(line for line in lines if "is ready at" in line).split()[4] == f"http://127.0.0.1:{port}/"
                assert get(f"http://127.0.0.1:{port}/", "/api/n") == (200, b"1")
                process.send_signal(signal.SIGTERM)
                assert process.wait(60) == 0
            finally:
                process.kill()


MISTAKES = {
    "no descriptor": (["--fd", "987"], "File descriptor 987 cannot be listened on"),
    "no certificate": (["--tls-certificate", "nowhere.pem"], "TLS file nowhere.pem cannot be read"),
    "key alone": (["--tls-key", "key.pem"], "tls_key is set, but tls_certificate is not"),
    "mode": (["--uds", "a.sock", "--uds-mode", "rw"], 'gateway_uds_mode must be three octal digits such as "660"'),
    "two listeners": (["--uds", "a.sock", "--fd", "3"], "--fd: gateway_fd is a socket to listen on"),
    "no trusted proxy": (["--uds", "a.sock", "--proxy-headers"], 'have none; add "unix"'),
    "pid file": (["--port", "0", "--pidfile", "nowhere/a.pid"], "a.pid cannot be written: No such file"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_explained(mistake: str, tmp_path: Path) -> None:
    arguments, message = MISTAKES[mistake]
    says(fluxlit("run", *arguments, directory=write(tmp_path, API_ONLY)), 1, message)


def test_a_health_check_is_not_content_with_the_server_of_another_project(tmp_path: Path) -> None:
    here, there = write(tmp_path / "here", API_ONLY), write(tmp_path / "there", API_ONLY)
    with running(there, "--port", "0") as (server, _), socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        done = fluxlit("healthcheck", directory=here, FLUXLIT_GATEWAY_PORT=str(port))
        server.stop()
    says(done, 1, f"http://127.0.0.1:{port} does not respond")


def test_a_health_check_says_why_not(tmp_path: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # Bound, so that no other process gets it, but not listening.
        port = deaf.getsockname()[1]
        done = fluxlit("healthcheck", directory=tmp_path, FLUXLIT_GATEWAY_PORT=str(port))
    says(done, 1, f"http://127.0.0.1:{port} does not respond: Connection refused")
    says(fluxlit("healthcheck", "--url", "nonsense", directory=tmp_path), 1, "not a URL of the form")


def test_sighup_of_a_terminal_that_is_gone_ends_the_server(tmp_path: Path) -> None:
    """Closing the window is not the same as asking for new workers."""
    write(tmp_path, API_ONLY)
    leader, follower = os.openpty()
    with nothing_left() as mark:
        process = subprocess.Popen(
            [sys.executable, "-c", WITH_TERMINAL, *COMMAND, "run", "--port", "0"],
            cwd=tmp_path,
            env=clean_environ(NO_COLOR="1") | mark,
            stdin=follower,
            stdout=follower,
            stderr=follower,
            start_new_session=True,
        )
        with process:
            try:
                os.close(follower)
                seen = b""
                while b"is ready at" not in seen:
                    assert select.select([leader], [], [], 30)[0], f"not ready within 30 s: {seen!r}"
                    seen += os.read(leader, 4096)
                os.close(leader)
                assert process.wait(60) == 0
            finally:
                process.kill()


WITH_TERMINAL = (
    "import fcntl, os, signal, sys, termios\n"
    "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # nohup(1) may have started the tests
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"  # the standard input becomes the session's terminal
    "os.execv(sys.argv[1], sys.argv[1:])\n"
)
