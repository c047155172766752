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
from fluxlit.settings.target import described, is_application

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
    inside = list(layers(application))
    if any(is_application(each) for each in inside):
        this = "one" if is_application(application) else f"{described(application)} around one"
        raise FluxLitError(
            f"FluxLit(api=...) cannot hold a FluxLit object, and this is {this}. Add middleware to its API, "
            f"app.api.add_middleware(...), or serve the whole with uvicorn."
        )
    if not is_asgi(application):
        raise FluxLitError(
            f"FluxLit(api=...) takes a FastAPI application or another ASGI application, and this is "
            f"{described(application)}. {_remedy(application)}"
        )
    declared = inside[-1]
    if not isinstance(declared, FastAPI):
        declared = FastAPI(openapi_url=None)
        declared.mount("/", application)
    return declared, _LifespanOptional(application)


def _remedy(value: Any) -> str:
    """What to do with a value that is no ASGI application."""
    name = getattr(value, "__name__", "it")
    inside = next((key for key, each in getattr(value, "__dict__", {}).items() if is_api(each)), "...")
    remedies = (
        (isinstance(value, APIRouter), "Leave out api=, and include the router: app.api.include_router(router)."),
        (isinstance(value, str), f"Import the application that {value!r} names, and pass that."),
        (inspect.ismodule(value), f"Pass the application in it: {name}.{inside}"),
        (inspect.isclass(value), f"Pass an instance: {name}(...)."),
        (inspect.isawaitable(value), "The function that returns the application must not be async."),
        (
            _takes(value, {}, None) and not inspect.iscoroutinefunction(value),
            "a2wsgi.WSGIMiddleware makes an ASGI application of a WSGI application.",
        ),
        (_takes(value), f"If it returns the application, call it: {name}()."),
    )
    other = "ASGI applications are async, and take scope, receive and send."
    return next((remedy for holds, remedy in remedies if holds), other)


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
    return not inspect.isclass(value) and inspect.iscoroutinefunction(call) and _takes(call, {}, None, None)


def _takes(function: Any, *arguments: object) -> bool:
    """Whether a value can be called with these arguments."""
    try:
        inspect.signature(function).bind(*arguments)
    except (TypeError, ValueError):  # a function of C may have no signature
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
