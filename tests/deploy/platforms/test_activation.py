"""The generated units, run by systemd-socket-activate.

It holds the socket, waits for a client, and starts what the service starts, with its variables.
"""

from __future__ import annotations

import re
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.deploy.platforms.test_platforms import files_of
from tests.support.ports import free_port
from tests.support.processes import background, clean_environ

pytestmark = pytest.mark.slow

APP = """
from fluxlit import FluxLit

app = FluxLit()

@app.api.get("/ping")
def ping() -> str:
    return "pong"

@app.page("/")
def home(st):
    st.text("hello")
"""


def messages(manager: socket.socket, until: str) -> str:
    """The notifications of the service, up to a word."""
    found, deadline = "", time.monotonic() + 60
    while until not in found:
        manager.settimeout(max(deadline - time.monotonic(), 0.01))
        found += manager.recv(4096).decode() + "\n"
    return found


def test_the_socket_keeps_the_first_visitor_until_the_service_is_there(tmp_path: Path) -> None:
    units = files_of("systemd")
    assert re.search(r"^Type=notify$", units["portal.service"], re.MULTILINE)
    [command] = re.findall(r"^ExecStart=\S+/fluxlit (.*)$", units["portal.service"], re.MULTILINE)
    [environment] = re.findall(r"^Environment=(.*)$", units["portal.service"], re.MULTILINE)
    [host] = re.findall(r"^ListenStream=(.*):8000$", units["portal.socket"], re.MULTILINE)
    (tmp_path / "app.py").write_text(APP)
    # The project file of every new project sets where to listen under `fluxlit dev`; the socket goes before it.
    (tmp_path / "fluxlit.toml").write_text('gateway_host = "127.0.0.1"\ngateway_port = 8000\n')
    address = f"{host}:{free_port()}"
    tool = shutil.which("systemd-socket-activate")
    assert tool is not None, "There is no systemd-socket-activate. It comes with scripts/system-packages.txt."
    given = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "HOME": str(tmp_path)}
    given |= dict(each.split("=", 1) for each in environment.split() if not each.startswith("HOME="))
    passed = [f"--setenv={name}={value}" for name, value in given.items()]
    start = [tool, f"--listen={address}", *passed, sys.executable, "-m", "fluxlit_cli", *command.split()]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(given["NOTIFY_SOCKET"])
        with background(start, cwd=tmp_path, environ=clean_environ()) as server:
            server.wait_for("Listening on", timeout=60)
            answer = httpx.get(f"http://{address}/api/ping", timeout=60, trust_env=False)

            assert answer.json() == "pong"
            assert "STATUS=app:app" in messages(manager, "READY=1")
            server.process.send_signal(signal.SIGTERM)
            assert "STOPPING=1" in messages(manager, "EXTEND_TIMEOUT_USEC=")
            assert server.process.wait(60) == 0
