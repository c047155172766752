"""An API that is another ASGI application than FastAPI's.

uvicorn serves any of them, Starlette and middleware too: ``app = socketio.ASGIApp(sio, other_asgi_app=app)`` is the
usual way to add Socket.IO.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, FastAPI

from fluxlit._internal.asgi import Application, Message, Receive, Scope, Send
from fluxlit.errors import FluxLitError
from fluxlit.settings.target import is_application

_INNER = ("app", "other_asgi_app", "application", "asgi_app")
"""Attributes in which middleware keeps what it is around."""

_MOST = 50


def adopt_api(application: Any) -> tuple[FastAPI, Application]:
    """Return what declares an adopted API, and what serves it.

    The first is the FastAPI application inside, or one that knows nothing of the API.

    Args:
        application: the value of ``FluxLit(api=...)``.

    Raises:
        FluxLitError: it is no ASGI application, or a FluxLit object.
    """
    if isinstance(application, FastAPI):
        return application, application
    kind = type(application).__name__
    inside = list(layers(application))
    if any(is_application(each) for each in inside):
        raise FluxLitError(
            f"An API cannot hold a FluxLit object, and this is one or a {kind} around one. Add middleware to its API, "
            f"app.api.add_middleware(...), or serve the whole with uvicorn."
        )
    if not is_asgi(application):
        raise FluxLitError(
            f"FluxLit(api=...) takes a FastAPI application or another ASGI application, and this is a {kind}. "
            f"a2wsgi.WSGIMiddleware makes one of a WSGI application."
        )
    declared = inside[-1]
    if not isinstance(declared, FastAPI):
        declared = FastAPI(openapi_url=None)
        declared.mount("/", application)
    return declared, _LifespanOptional(application)


class _LifespanOptional:
    """An application that may have no lifespan: it raises before it responds."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        responded = scope["type"] != "lifespan"

        async def respond(message: Message) -> None:
            nonlocal responded
            responded = True
            await send(message)

        try:
            await self.application(scope, receive, respond)
        except Exception:
            if responded:
                raise


def is_asgi(value: Any) -> bool:
    """Whether a value can be called as an ASGI application.

    A router can, but needs FastAPI around it.
    """
    if isinstance(value, APIRouter):
        return False
    call = value if inspect.isfunction(value) else getattr(value, "__call__", None)  # noqa: B004  # Sentry's is its own
    if inspect.isclass(value) or not inspect.iscoroutinefunction(call):
        return False
    try:
        inspect.signature(call).bind({}, None, None)
    except TypeError:
        return False
    return True


def is_api(value: Any) -> bool:
    """Whether a value is a FastAPI application, or middleware around one."""
    if isinstance(value, FastAPI):
        return True
    with contextlib.suppress(Exception):  # an object that stands for another, such as Flask's, raises anything
        return is_asgi(value) and any(isinstance(each, FastAPI) for each in layers(value))
    return False


def layers(application: Any) -> Iterator[Any]:
    """Yield an application, and those that it is around."""
    for _ in range(_MOST):
        yield application
        if isinstance(application, FastAPI) or is_application(application):
            return
        inner = (getattr(application, name, None) for name in _INNER)
        application = next((each for each in inner if callable(each)), None)
        if application is None:
            return
