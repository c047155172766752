"""`fluxlit workbench` finds its public address and works there."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from fluxlit_cli.workbench import PlatformError, PublicAddress, find
from tests.cli.command import fluxlit, nothing_left, says, write
from tests.support.processes import clean_environ

APP = """
from fluxlit import FluxLit

app = FluxLit()


@app.api.get("/ping")
def ping() -> str:
    return "pong"


@app.page("/", title="Home")
def home(st):
    st.title("Home")
"""
SESSION = "/s/0123456789abcdef01234/p"


def tool(folder: Path, script: str) -> Path:
    """A stand-in for Posit's `rserver-url`."""
    path = folder / "rserver-url"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({}, PublicAddress("", "")),
        (
            {"RS_SERVER_URL": "https://posit.example/", "UVICORN_ROOT_PATH": f"https://posit.example{SESSION}/50b1/"},
            PublicAddress("Posit Workbench", f"{SESSION}/50b1", f"https://posit.example{SESSION}/50b1"),
        ),
        (
            {"RS_SERVER_URL": "https://posit.example/", "UVICORN_ROOT_PATH": f"{SESSION}/50b1"},
            PublicAddress("Posit Workbench", f"{SESSION}/50b1"),
        ),
        (
            {"VSCODE_PROXY_URI": "https://code.example/proxy/{{port}}/"},
            PublicAddress("code-server", "/proxy/8000", "https://code.example/proxy/8000"),
        ),
        (
            {"VSCODE_PROXY_URI": "https://{{port}}.code.example"},
            PublicAddress("code-server", "", "https://8000.code.example"),
        ),
        ({"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/"}, PublicAddress("JupyterHub", "/user/ada/proxy/8000")),
        (
            {"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/", "JUPYTERHUB_PUBLIC_URL": "https://hub.example/user/ada/"},
            PublicAddress("JupyterHub", "/user/ada/proxy/8000", "https://hub.example/user/ada/proxy/8000"),
        ),
    ],
)
def test_the_public_address_is_known_from_the_environment(environ: dict[str, str], address: PublicAddress) -> None:
    assert find(8000, {"PATH": "/nowhere", **environ}) == address


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 3", "does not report the URL of port 9000: exit code 3"),
        ("echo no session >&2; exit 1", "no session"),
        ("true", "does not report the URL of port 9000"),
        ("echo what", "'what', which is not a URL"),
        ("echo ftp://x/y", "which is not a URL"),
    ],
)
def test_a_platform_that_does_not_tell_is_an_error(script: str, message: str, tmp_path: Path) -> None:
    tool(tmp_path, script)
    with pytest.raises(PlatformError, match=message):
        find(9000, {"RS_SERVER_URL": "https://posit.example/", "PATH": str(tmp_path)})


def test_posit_without_its_tool_says_what_to_give(tmp_path: Path) -> None:
    write(tmp_path, APP)
    done = fluxlit("workbench", "--port", "8123", directory=tmp_path, RS_SERVER_URL="https://posit.example/")
    says(done, 1, "RS_SERVER_URL is set", "rserver-url", "--public-base-url URL --root-path PATH")


@contextmanager
def running(project: Path, *arguments: str, **environ: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The banner, and its rows."""
    with nothing_left() as mark, (project / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "fluxlit_cli", "workbench", *arguments],
            cwd=project,
            env=clean_environ(**environ) | mark,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            deadline = time.monotonic() + 60
            while "API docs" not in (text := (project / "log").read_text()):
                assert process.poll() is None, text
                assert time.monotonic() < deadline, text
                time.sleep(0.05)
            lines = text[text.index("FluxLit is ready") :].splitlines()
            yield lines[0], {line[2:11].strip(): line[12:] for line in lines[1:]}
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def get(url: str, **headers: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, headers=headers), timeout=60) as answer:
        return bytes(answer.read())


def test_behind_posit_workbench(tmp_path: Path) -> None:
    """A proxy that removes the path and connects from loopback."""
    write(tmp_path, APP)
    (tmp_path / "bin").mkdir()
    tool(tmp_path / "bin", f'test "$1" = -l && echo "https://posit.example{SESSION}/token-of-$2/"')
    environ = {"RS_SERVER_URL": "https://posit.example/", "PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    with running(tmp_path, "--port", "0", **environ) as (head, rows):
        assert head.endswith("public address from Posit Workbench")
        port = rows["Here"].split(":")[2].split("/")[0]
        public = f"https://posit.example{SESSION}/token-of-{port}"
        assert rows["Browser"] == f"{public}/"
        base = f"http://127.0.0.1:{port}"
        proxied = {"Host": "posit.example", "X-Forwarded-Proto": "https"}
        assert get(f"{base}/api/healthz", **proxied) == b'{"status":"ok"}'
        assert get(f"{base}{SESSION}/token-of-{port}/api/healthz") == b'{"status":"ok"}', "the path may also be there"
        servers = json.loads(get(f"{base}/api/openapi.json", **proxied))["servers"]
        assert servers == [{"url": f"{SESSION}/token-of-{port}/api"}]
        assert b"<title>" in get(f"{base}/", **proxied)
        address, streamlit = f"ws://127.0.0.1:{port}/_stcore/stream", [Subprotocol("streamlit")]
        with connect(address, subprotocols=streamlit, origin=Origin("https://posit.example"), proxy=None):
            pass
        with pytest.raises(InvalidStatus):
            connect(address, subprotocols=streamlit, origin=Origin("https://stranger.example"), proxy=None)


def test_settings_go_before_what_the_platform_says(tmp_path: Path) -> None:
    write(tmp_path, APP)
    environ = {"VSCODE_PROXY_URI": "https://code.example/proxy/{{port}}/", "FLUXLIT_ROOT_PATH": "/mine"}
    with running(tmp_path, "--port", "0", **environ) as (head, rows):
        assert head.endswith("public address from your settings")
        assert rows["Browser"].startswith("/mine/")
        assert "/mine/" in rows["Health"]
        assert get(rows["Health"]) == b'{"status":"ok"}'


def test_without_a_platform_it_runs_and_says_so(tmp_path: Path) -> None:
    write(tmp_path, APP)
    with running(tmp_path, "--port", "0") as (_, rows):
        assert "Browser" not in rows
        assert get(rows["Health"]) == b'{"status":"ok"}'
