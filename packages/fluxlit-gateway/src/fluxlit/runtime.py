"""The ASGI factory for ``uvicorn --factory``."""

from __future__ import annotations

from fluxlit._internal.asgi import Application, Receive, Scope, Send
from fluxlit.errors import FluxLitError
from fluxlit.server.asgi import Refusal
from fluxlit.server.runtime import Runtime
from fluxlit.settings import resolve_target
from fluxlit.settings.target import DEFAULT_TARGET, load


def create_unified_app() -> Application:
    """Return the whole application as an ASGI application.

    For ``uvicorn fluxlit.runtime:create_unified_app --factory``.

    The target comes from ``FLUXLIT_APP``, else the project file, else it is ``app:app``. What is wrong with it, or with
    a setting, stops the server's start with one message.
    """
    try:
        found = resolve_target()
        target = found.target or DEFAULT_TARGET
        runtime = Runtime(load(target, found.directory), target=target)
    except FluxLitError as error:
        return Refusal(error)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        # uvicorn takes what is no coroutine function for an application of ASGI 2.
        await runtime.asgi(scope, receive, send)

    return serve
