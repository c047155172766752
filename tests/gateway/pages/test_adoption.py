"""A target may be anything that holds an application."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxlit import FluxLit, FluxLitError, TargetError
from fluxlit.pages.adoption import load_any

FLUXLIT = "from fluxlit import FluxLit\n{name} = FluxLit()\n"
FASTAPI = "from fastapi import FastAPI\n{name} = FastAPI()\n"
SCRIPT = "import streamlit as st\nst.title('x')\nraise SystemExit('a script is not imported')\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = dict(sys.modules)
    for name in ("app", "main", "api"):
        sys.modules.pop(name, None)
    yield tmp_path
    for name in set(sys.modules) - set(before):
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
    sys.modules.update(before)


def put(folder: Path, **files: str) -> None:
    """Write modules; a double underscore in a name is a folder."""
    for name, source in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)


@pytest.mark.parametrize(
    ("files", "target", "found"),
    [
        ({"app": FLUXLIT.format(name="app")}, None, "app:app"),
        ({"main": FLUXLIT.format(name="portal")}, None, "main:portal"),
        ({"app__main": FLUXLIT.format(name="app")}, None, "app/main.py:app"),
        ({"elsewhere": FLUXLIT.format(name="portal")}, "elsewhere.py", "elsewhere.py:portal"),
        ({"elsewhere": FLUXLIT.format(name="portal")}, "elsewhere", "elsewhere:portal"),
        ({"app": SCRIPT, "main": FLUXLIT.format(name="app")}, None, "main:app"),  # before a script
    ],
)
def test_a_fluxlit_object(folder: Path, files: dict[str, str], target: str | None, found: str) -> None:
    put(folder, **files)
    loaded = load_any(target)
    assert isinstance(loaded.application, FluxLit)
    assert (loaded.target, loaded.adopted) == (found, "")
    assert load_any(loaded.target).application is loaded.application


@pytest.mark.parametrize(
    ("files", "target", "script", "title"),
    [
        ({"report": SCRIPT}, "report.py", "report.py", None),
        ({"streamlit_app": SCRIPT}, None, "streamlit_app.py", None),
        ({"orders": FASTAPI.format(name="service")}, "orders:service", None, "FastAPI"),
        ({"orders": FASTAPI.format(name="service")}, "orders.py", None, "FastAPI"),
        ({"main": FASTAPI.format(name="anything")}, None, None, "FastAPI"),
        ({"app": SCRIPT, "api": FASTAPI.format(name="app")}, None, "app.py", "FastAPI"),
        ({"app": "from streamlit_extras.app import App\nclass st: App = App\n" + SCRIPT}, None, "app.py", None),
        ({"sub__app": SCRIPT, "sub__main": FASTAPI.format(name="app")}, "sub", "sub/app.py", "FastAPI"),
        ({"app": SCRIPT, "api": "from fastapi import APIRouter\nrouter = APIRouter()\n"}, None, "app.py", None),
    ],
)
def test_what_is_wrapped(
    folder: Path, files: dict[str, str], target: str | None, script: str | None, title: str | None
) -> None:
    put(folder, **files)
    loaded = load_any(target)
    assert loaded.application.ui_script == (folder / script if script else None)
    assert loaded.application.api_is_adopted is (title is not None)
    assert loaded.adopted
    again = load_any(loaded.target).application
    assert again.ui_script == loaded.application.ui_script
    assert again.api.title == loaded.application.api.title


@pytest.mark.parametrize(
    ("files", "target", "words"),
    [
        ({}, None, ["no application", "app.py, main.py, api.py", "fluxlit new ."]),
        ({"app": "def f(:\n"}, None, ["Target 'app:app' cannot be imported", "SyntaxError", "app.py:1"]),
        ({"app": "from fluxlit import FluxLit\n1 / 0\n"}, None, ["ZeroDivisionError", "app.py:2"]),
        ({"app": FLUXLIT.format(name="app")}, "app:nothing", ["no attribute 'nothing'", "did you mean app:app"]),
        ({"numbers_only": "x = 1\n"}, "numbers_only.py", ["no attribute 'app'"]),
        ({}, "nowhere/", ["no file"]),
        *[
            ({"app": f"{head}\napp = {call}('ui.py')\n", "main": SCRIPT}, target, ["is an App", "fluxlit run ui.py"])
            for target in (None, "app.py", "app:app")
            for head, call in (
                ("import streamlit as st", "st.App"),
                ("import streamlit", "streamlit.App"),
                ("from streamlit.starlette import App", "App"),
                ("from streamlit.web.server.starlette import (\n    App as Served,\n)", "Served"),
            )
        ],
        ({"main": "import streamlit as st\nportal = st.App('ui.py')\n"}, None, ["'portal'", "fluxlit run ui.py"]),
    ],
)
def test_what_is_refused(folder: Path, files: dict[str, str], target: str | None, words: list[str]) -> None:
    put(folder, **files)
    with pytest.raises(TargetError) as caught:
        load_any(target)
    assert [word for word in words if word not in str(caught.value)] == []


def test_a_file_in_a_package_is_imported_as_its_part(folder: Path) -> None:
    put(folder, shop__parts="name = 'app'\n")
    (folder / "shop" / "__init__.py").touch()
    put(folder, shop__web="from .parts import name\n" + FLUXLIT.format(name="app"))
    assert isinstance(load_any("shop/web.py").application, FluxLit)


AROUND = """
from starlette.middleware.cors import CORSMiddleware
from fastapi import FastAPI
inside = FastAPI()
{name} = CORSMiddleware(inside, allow_origins=["*"])
"""


@pytest.mark.parametrize(("name", "target"), [("app", None), ("app", "main.py"), ("server", "main"), ("x", "main:x")])
def test_middleware_around_an_api_is_the_application(folder: Path, name: str, target: str | None) -> None:
    put(folder, main=AROUND.format(name=name))
    loaded = load_any(target)
    assert loaded.adopted == f"ASGI application main:{name}"
    assert loaded.application.served_api is not loaded.application.api
    put(folder, streamlit_app=SCRIPT)
    assert load_any(None).application.served_api is not load_any(None).application.api


def test_middleware_around_a_fluxlit_object_is_refused(folder: Path) -> None:
    put(folder, main=AROUND.format(name="app").replace("fastapi", "fluxlit").replace("FastAPI", "FluxLit"))
    with pytest.raises(FluxLitError, match=r"app\.api\.add_middleware"):
        load_any("main:app")
