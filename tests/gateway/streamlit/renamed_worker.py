"""Real workers with a Streamlit in which one name was renamed.

A minor release may do that.

``python renamed_worker.py FOLDER NAME...`` prints one line of JSON for each name: what the worker has sent, and the
text of its page. Each worker is forked from a process that has imported everything but Streamlit.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from websockets.sync.client import unix_connect

from fluxlit.worker.base import work
from fluxlit.worker.program import Worker
from fluxlit.worker.worker_spec import WorkerSpec

DEADLINE_S = 60.0

APP = """
from fluxlit import FluxLit

app = FluxLit(title="Shop")

@app.page("/")
def home(st):
    st.text("served")
"""


class Renaming(importlib.machinery.SourceFileLoader):
    """Loads a module of Streamlit from its source with one name renamed."""

    renamed = ""

    def get_code(self, fullname: str) -> CodeType:
        source = Path(self.get_filename(fullname)).read_text("utf-8")
        return compile(re.sub(rf"\b{self.renamed}\b", f"{self.renamed}2", source), self.path, "exec")


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of Streamlit that use a name."""

    def __init__(self, name: str) -> None:
        Renaming.renamed = name
        self._wanted = re.compile(rf"\b{name}\b")

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del target
        if fullname.partition(".")[0] != "streamlit":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is None or not spec.origin or not spec.origin.endswith(".py") or spec.origin.endswith("_pb2.py"):
            return spec
        if self._wanted.search(Path(spec.origin).read_text("utf-8")):
            spec.loader = Renaming(fullname, spec.origin)
        return spec


class Gateway:
    """The gateway's end of the channel, in the worker's own process."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._sent = threading.Condition()
        self.messages: list[dict[str, Any]] = []
        self._ask: Callable[[str], None] = lambda _line: None

    def read_line(self) -> str:
        return self._spec.to_json()

    def send_line(self, line: str) -> None:
        with self._sent:
            self.messages.append(json.loads(line))
            self._sent.notify_all()

    def watch(self, handle: Callable[[str], None]) -> None:
        self._ask = handle

    def await_message(self, *kinds: str) -> str:
        def found() -> str | None:
            return next((each["type"] for each in self.messages if each["type"] in kinds), None)

        with self._sent:
            assert self._sent.wait_for(found, DEADLINE_S), self.messages
            return str(found())

    def ask(self, kind: str, answer: str) -> None:
        self._ask(json.dumps({"type": kind, "worker": "1", "changed": []}))
        self.await_message(answer)


def visit(socket: str) -> str:
    """The text of the page."""
    from streamlit.proto.BackMsg_pb2 import BackMsg  # noqa: PLC0415
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg  # noqa: PLC0415

    ask = BackMsg()
    ask.rerun_script.query_string = ""
    with unix_connect(socket, "ws://localhost/_stcore/stream", subprotocols=["streamlit", "none"]) as connection:
        connection.send(ask.SerializeToString())
        text = ""
        while True:
            message = ForwardMsg.FromString(connection.recv(timeout=DEADLINE_S))
            if message.WhichOneof("type") == "delta" and message.delta.new_element.HasField("text"):
                text = message.delta.new_element.text.body
            elif message.WhichOneof("type") == "script_finished":
                return text


def run(name: str, folder: Path, *, login: bool) -> dict[str, Any]:
    """One worker from its start to its end, and what came of it."""
    socket = folder / f"{os.getpid()}.sock"
    settings = {"session_store": f"sqlite:///{folder}/{os.getpid()}.db", "secret_key": "k" * 32}
    gateway = Gateway(
        WorkerSpec(
            str(socket), str(folder), settings, "shop:app", sys_path=(str(folder),), login=login, development=True
        )
    )
    outcome: dict[str, Any] = {"name": name, "login": login, "text": ""}

    def use() -> None:
        with contextlib.suppress(AssertionError):
            if gateway.await_message("ready", "failed") == "ready":
                outcome["text"] = visit(str(socket))
                gateway.ask("measure", "measured")
                gateway.ask("reload", "reloaded")
                gateway.ask("drain", "drained")
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, lambda *_: None)
    if name:
        sys.meta_path.insert(0, Finder(name))
    user = threading.Thread(target=use, daemon=True)
    user.start()
    outcome["code"] = work(gateway, Worker)  # type: ignore[arg-type]
    user.join(DEADLINE_S)
    outcome["log"] = [each["message"] for each in gateway.messages if each["type"] == "log" and each["level"] >= 30]
    outcome["failed"] = next((each["message"] for each in gateway.messages if each["type"] == "failed"), "")
    outcome["answers"] = sorted({each["type"] for each in gateway.messages} - {"log"})
    return outcome


def forked(action: Callable[[], Any]) -> Any:
    """What a function returns in a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        found = json.dumps(action()).encode()
        with open(writing, "wb") as pipe:  # noqa: PTH123
            pipe.write(found)
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123
        found = pipe.read()
    os.waitpid(child, 0)
    return json.loads(found) if found else None


def needed_by_streamlit() -> list[str]:
    """The modules of others that Streamlit imports."""
    importlib.import_module("streamlit.web.server.starlette.starlette_app")
    importlib.import_module("streamlit.starlette")
    return [name for name in sys.modules if name.partition(".")[0] not in ("streamlit", "__main__")]


def main(folder: Path, names: list[str]) -> None:
    (folder / "shop.py").write_text(APP)
    os.chdir(folder)
    for module in forked(needed_by_streamlit):
        with contextlib.suppress(ImportError):
            importlib.import_module(module)
    assert "streamlit" not in sys.modules
    for given in names:
        name, _, login = given.partition(":")
        started = time.perf_counter()
        outcome = forked(lambda: run(name, folder, login=bool(login)))  # noqa: B023
        print(json.dumps({**(outcome or {"name": name}), "s": round(time.perf_counter() - started, 1)}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
