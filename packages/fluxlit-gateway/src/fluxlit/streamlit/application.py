# ruff: noqa: PLC0415, SLF001
"""Streamlit's ASGI application and its Runtime, one per process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluxlit.streamlit.feature import Feature, When

if TYPE_CHECKING:
    from streamlit.runtime import Runtime
    from streamlit.starlette import App

APPLICATION = Feature(
    "its ASGI application",
    off="Nothing can be served.",
    names=("streamlit.starlette:App.lifespan", "streamlit.runtime:Runtime.instance"),
    required=(When.ALWAYS,),
)

STATIC_FILES = Feature(
    "static files of pages",
    off="With server.enableStaticServing, the folder static/ of an application with pages is not served.",
    names=("streamlit.web.server.starlette.starlette_routes:create_app_static_serving_routes",),
)

SERVER = Feature(
    "its server object",
    off="Libraries that look for Streamlit's server, such as streamlit-server-state, do not find it.",
    names=(
        "streamlit.web.server.server:Server._runtime",
        "streamlit.web.server.server:Server._main_script_path",
        "streamlit.runtime:Runtime._main_script_path",
    ),
)

SECOND_START = Feature(
    "a second start in one process",
    off="A process that has stopped the embedded Streamlit cannot start it again.",
    names=("streamlit.runtime:Runtime._instance",),
    used=(When.EMBEDDED,),
)


def import_streamlit() -> None:
    """Import what a worker needs in any case, before it knows the application."""
    with contextlib.suppress(ImportError):  # a release that has moved a module: it is refused when it is needed
        import streamlit.starlette
        import streamlit.web.server.starlette.starlette_app  # noqa: F401


def build(script: Path, routes: list[Any], around: Callable[[Any], Any]) -> App:
    """Streamlit's ASGI application for a script, with a middleware around it."""
    from fastapi.middleware import Middleware
    from streamlit.starlette import App

    return App(script, routes=routes, middleware=[Middleware(around)])


def static_routes(anchor: str, base: str) -> list[Any]:
    """Routes for the folder `static` beside `anchor`, none while that is off.

    By itself Streamlit looks beside the main script, which for pages is FluxLit's own.
    """

    def routes() -> list[Any]:
        from streamlit.web.server.starlette import starlette_routes

        return list(starlette_routes.create_app_static_serving_routes(anchor, base))

    return STATIC_FILES.attempt(routes, [])


def running_runtime() -> Runtime | None:
    """The Runtime of this process, `None` before there is one."""
    from streamlit.runtime import Runtime

    with contextlib.suppress(RuntimeError):
        return Runtime.instance()
    return None


def show_server(runtime: Runtime, state: dict[str, Any]) -> None:
    """Make the server object that `streamlit run` has, for libraries.

    They look through `gc.get_objects`, which leaves out what is frozen: call it again after `gc.freeze`.

    Args:
        runtime: of this process.
        state: attributes that all objects made with it share, because libraries keep their own there.
    """

    def show() -> None:
        from streamlit.web.server.server import Server

        server = Server.__new__(Server)
        server.__dict__ = state
        server._main_script_path, server._runtime = runtime._main_script_path, runtime
        state["fluxlit"] = server  # keeps it

    SERVER.attempt(show, None)


def release_runtime() -> None:
    """Forget the stopped Runtime of this process.

    Streamlit never does, and a second start would fail.
    """

    def release() -> None:
        from streamlit.runtime import Runtime

        Runtime._instance = None

    SECOND_START.attempt(release, None)
