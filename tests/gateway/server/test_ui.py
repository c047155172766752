"""The UI half of a server before it is started.

And where its workers import the application from.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from fluxlit import FluxLit, FluxLitError, TargetError
from fluxlit._internal.asgi import Message
from fluxlit.server.ui import Ui, find_target
from fluxlit.settings import resolve
from fluxlit.settings.target import Target

pytestmark = pytest.mark.anyio


def ui(application: FluxLit) -> Ui:
    resolved = resolve(flags={}, arguments=application.setting_arguments)
    return Ui(application, resolved, find_target=lambda: "app:app")


def test_an_application_without_pages_is_ready_without_a_ui() -> None:
    found = ui(FluxLit())
    assert (found.enabled, found.readiness().ready) == (False, True)


async def receive() -> Message:
    return {}


async def send(_: Message) -> None: ...


async def test_before_the_start_pages_are_not_ready_and_requests_fail() -> None:
    application = FluxLit()
    application.page("/")(lambda st: None)
    found = ui(application)
    assert (found.enabled, found.readiness().ready) == (True, False)
    with pytest.raises(FluxLitError, match="has not started"):
        await found({"type": "http"}, receive, send)


def test_the_target_is_the_given_one_then_that_of_the_object() -> None:
    assert find_target(FluxLit(import_target="a:b"), "c:d", {}) == "c:d"
    assert find_target(FluxLit(import_target="a:b"), None, {}) == "a:b"


def test_a_target_of_another_object_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API would be the served object's, and the pages the target's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("seen_a", "seen_b"):
        (tmp_path / f"{name}.py").write_text("from fluxlit import FluxLit\napp = FluxLit()\nalias = app\n")
    served: Any = Target("seen_a", "app").load()
    monkeypatch.setenv("FLUXLIT_APP", "seen_b:app")
    with pytest.raises(TargetError, match=r"FLUXLIT_APP names seen_b:app, but .* seen_a:app"):
        find_target(served, None, {})
    for same in ("seen_a:app", "seen_a:alias"):
        monkeypatch.setenv("FLUXLIT_APP", same)
        assert find_target(served, None, {}) == same
    monkeypatch.setenv("FLUXLIT_APP", "seen_b:app")
    assert find_target(FluxLit(), None, {}) == "seen_b:app", "what a factory has made is in no module"


def test_an_object_in_no_module_is_refused_with_the_remedy() -> None:
    with pytest.raises(TargetError, match="FluxLit\\(import_target="):
        find_target(FluxLit(), None, {})


MAIN = """
from fluxlit import FluxLit
from fluxlit.server.ui import find_target
app = FluxLit()
try:
    find_target(app, None, {})
except Exception as error:
    print(error)
"""


def test_the_object_of_the_main_program_is_served_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(MAIN)
    done = subprocess.run([sys.executable, "main.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "`fluxlit run main.py`, or by its name: uvicorn.run('main:app')." in done.stdout


def test_a_file_that_streamlit_runs_is_refused(tmp_path: Path) -> None:
    """It would show nothing: the pages are functions."""
    source = "from fluxlit import FluxLit\napp = FluxLit({})\n"
    (tmp_path / "script.py").write_text("import streamlit as st\nst.title('x')\n")
    messages = []
    for arguments in ("", "ui='script.py'"):
        (tmp_path / "app.py").write_text(source.format(arguments))
        run = AppTest.from_file(tmp_path / "app.py").run(timeout=60)
        messages.append([each.message for each in run.exception])
    assert len(messages[0]) == 1
    assert "run it with `fluxlit dev app.py`" in messages[0][0]
    assert messages[1] == []
