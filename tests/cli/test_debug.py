"""The guide's launch.json, executed as an editor does it."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import httpx
import pytest

from tests.cli.command import nothing_left, write
from tests.docs.markdown import blocks
from tests.support.ports import free_port
from tests.support.processes import ROOT, clean_environ
from tests.support.session import Session

pytest.importorskip("debugpy")
pytestmark = pytest.mark.slow

PAGE = ROOT / "docs" / "how-to" / "development.md"
APP = """
from fluxlit import FluxLit
app = FluxLit()
@app.api.get("/n")
def n():
    number = 41
    return number + 1
@app.page("/")
def home(st, client):
    answer = client.get("/n").json()
    st.text(f"it is {answer}")
"""
ROUTE, LINE_OF_PAGE = 7, 11
HELD_S = 3.0


class Adapter:
    """One session of the protocol.

    Args:
        reader: what the adapter sends.
        writer: what it receives.
    """

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self._reader, self._writer = reader, writer
        self._number = 0
        self.pid = 0
        self.events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        while line := self._reader.readline():
            length = int(line.partition(b":")[2])
            self._reader.readline()
            message = json.loads(self._reader.read(length))
            if message.get("event") == "process":
                self.pid = message["body"]["systemProcessId"]
            (self._answers if message["type"] == "response" else self.events).put(message)

    def send(self, command: str, **arguments: Any) -> int:
        """Send a request; returns its number."""
        self._number += 1
        text = json.dumps({"seq": self._number, "type": "request", "command": command, "arguments": arguments})
        self._writer.write(f"Content-Length: {len(text.encode())}\r\n\r\n{text}".encode())
        self._writer.flush()
        return self._number

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Send a request; returns the body of its response."""
        number = self.send(command, **arguments)
        while True:
            answer = self._answers.get(timeout=60)
            if answer["request_seq"] == number:
                assert answer["success"], answer
                return cast("dict[str, Any]", answer.get("body") or {})

    def wait(self, event: str) -> dict[str, Any]:
        """Wait for an event; returns its body."""
        deadline = time.monotonic() + 90
        while True:
            found = self.events.get(timeout=deadline - time.monotonic())
            if found["event"] == event:
                return cast("dict[str, Any]", found.get("body") or {})

    def begin(self, request: str, configuration: dict[str, Any], breakpoints: dict[Path, list[int]]) -> None:
        """Launch or attach, with breakpoints."""
        self.ask("initialize", adapterID="debugpy", linesStartAt1=True, pathFormat="path")
        self.send(request, **configuration)
        self.wait("initialized")
        for file, lines in breakpoints.items():
            self.ask("setBreakpoints", source={"path": str(file)}, breakpoints=[{"line": each} for each in lines])
        self.ask("configurationDone")


@contextmanager
def adapter(environ: dict[str, str]) -> Iterator[Adapter]:
    process = subprocess.Popen(
        [sys.executable, "-m", "debugpy.adapter"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Adapter(cast("BinaryIO", process.stdout), cast("BinaryIO", process.stdin))
    finally:
        process.stdin.close()
        try:
            process.wait(60)
        finally:
            process.kill()
            process.stdout.close()


def configuration() -> dict[str, Any]:
    """Return the configuration of the page."""
    block = next(each for each in blocks(PAGE.read_text()) if each.attributes.get("title") == ".vscode/launch.json")
    return cast("dict[str, Any]", json.loads(block.source)["configurations"][0])


def value(session: Adapter, thread: int, name: str) -> str:
    frame = session.ask("stackTrace", threadId=thread, levels=1)["stackFrames"][0]
    scope = session.ask("scopes", frameId=frame["id"])["scopes"][0]
    found = session.ask("variables", variablesReference=scope["variablesReference"])["variables"]
    return next(str(each["value"]) for each in found if each["name"] == name)


def test_breakpoints_in_route_and_page_are_held(tmp_path: Path) -> None:
    file = write(tmp_path, APP) / "app.py"
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with nothing_left() as mark:
        environ = clean_environ(FLUXLIT_GATEWAY_PORT=str(port), FLUXLIT_STREAMLIT_HUNG_TIMEOUT_S="1") | mark
        with adapter(environ) as editor:
            chosen = {**configuration(), "cwd": str(tmp_path), "env": environ, "python": [sys.executable]}
            editor.begin("launch", {**chosen, "console": "internalConsole"}, {file: [ROUTE]})
            with attached(editor, file) as worker:
                until_ready(url)
                shown: list[list[str]] = []
                visitor = threading.Thread(target=lambda: shown.append(asyncio.run(visit(url))))
                visitor.start()

                # The page calls the route, which stops in the gateway; then the page stops in its worker.
                for session, name, expected in ((editor, "number", "41"), (worker, "answer", "42")):
                    thread = session.wait("stopped")["threadId"]
                    assert value(session, thread, name) == expected
                    time.sleep(HELD_S)  # longer than the setting allows a worker not to respond
                    session.ask("continue", threadId=thread)
                visitor.join(60)
                assert shown == [["it is 42"]]
                until_ready(url)  # with the same worker, once it has answered a probe again
                assert "is killed and replaced" not in log(editor)
                os.kill(editor.pid, signal.SIGINT)
                editor.wait("terminated")
                worker.send("disconnect")
                editor.send("disconnect")


@contextmanager
def attached(editor: Adapter, file: Path) -> Iterator[Adapter]:
    """Attach to the worker, as an editor does for each child process."""
    offer = editor.wait("debugpyAttach")
    with (
        socket.create_connection((offer["connect"]["host"], offer["connect"]["port"]), timeout=60) as stream,
        stream.makefile("rb") as reader,
        stream.makefile("wb") as writer,
    ):
        stream.settimeout(None)
        child = Adapter(cast("BinaryIO", reader), cast("BinaryIO", writer))
        child.begin("attach", offer, {file: [LINE_OF_PAGE]})
        yield child
        child.thread.join(60)  # the adapter hangs up


def until_ready(url: str) -> None:
    deadline = time.monotonic() + 90
    while True:
        try:
            if httpx.get(f"{url}/api/readyz", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, "it did not become ready"
        time.sleep(0.1)


def log(editor: Adapter) -> str:
    """Return what the application has printed since the last wait."""
    seen = []
    while not editor.events.empty():
        seen.append(editor.events.get())
    return "".join(each["body"]["output"] for each in seen if each["event"] == "output")


async def visit(url: str) -> list[str]:
    async with Session(url) as session:
        return await session.run()
