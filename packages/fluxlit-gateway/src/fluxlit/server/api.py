"""The API half of the application: what browsers and pages call."""

from __future__ import annotations

import logging
from urllib.parse import quote

from fastapi.middleware.cors import CORSMiddleware

from fluxlit._internal.asgi import Application, Message, Receive, Scope, Send
from fluxlit._internal.lifespan import Lifespan
from fluxlit._internal.tracebacks import FAULT_HEADER, describe
from fluxlit.auth.middleware import AuthMiddleware
from fluxlit.errors import FluxLitError
from fluxlit.gateway.routes import Route
from fluxlit.observability.request_record import classify
from fluxlit.pages.app_definition import AppDefinition
from fluxlit.server.adopted_api import take_over
from fluxlit.settings import Settings
from fluxlit.urls import STATE, PublicAddress

logger = logging.getLogger("fluxlit")

MAX_FAULT = 500
"""Characters of an exception that a page receives."""


class Api:
    """The FastAPI application with its lifespan; reload replaces both.

    Args:
        application: the FluxLit object.
        settings: the effective settings.
        auth: the authentication middleware; `None` without a login.
        address: what the server knows of its own address.
        development: pages receive the exception that a route raised.

    Attributes:
        application: the FluxLit object in force.
    """

    def __init__(
        self,
        application: AppDefinition,
        settings: Settings,
        auth: AuthMiddleware | None,
        address: PublicAddress | None = None,
        *,
        development: bool = False,
    ) -> None:
        self._development = development
        self.application = application
        self._settings = settings
        self._auth = auth
        self._address = address or PublicAddress(settings)
        setattr(application.api.state, STATE, self._address)
        self._lifespan = Lifespan(application.api)

    @property
    def public(self) -> Application:
        """The API as browsers call it: with CORS, if that is configured."""
        settings = self._settings
        if not settings.cors_allow_origins:
            return self.application.api
        return CORSMiddleware(
            self.application.api,
            allow_origins=settings.cors_allow_origins,
            allow_credentials=settings.cors_allow_credentials,
            allow_methods=["*"],
            allow_headers=["*"],
        )

    async def serve_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a call of a page, with the public mount as `root_path`."""
        classify(scope, Route.API)
        self.add_state(scope)
        mount = scope["root_path"]
        scope = {**scope, "root_path": mount + self._settings.api_mount_path}
        if self._development and scope["type"] == "http":
            held = HeldError(send)
            try:
                await self._call(scope, receive, held, mount)
            except Exception as error:
                await held.release(error)
                raise
            await held.release(None)
            return
        await self._call(scope, receive, send, mount)

    async def _call(self, scope: Scope, receive: Receive, send: Send, mount: str) -> None:
        if self._auth is None:
            await self.application.api(scope, receive, send)
        else:
            path = scope["path"].removeprefix(mount)
            await self._auth.admit_page(self.application.api, scope, receive, send, path)

    def add_state(self, scope: Scope) -> None:
        """Add the lifespan's state to a scope (ASGI lifespan 2.0)."""
        if self._lifespan.state:
            scope["state"] = {**scope.get("state", {}), **self._lifespan.state}

    async def start(self) -> None:
        """Run the start-up of the lifespan.

        Raises:
            FluxLitError: it failed.
        """
        take_over(self.application.api, self._settings)
        await self._lifespan.start()

    async def stop(self, timeout_s: float) -> None:
        """Run the shutdown of the lifespan; a failure is logged."""
        await stop_lifespan(self._lifespan, timeout_s)

    def replace(self, fresh: AppDefinition, lifespan: Lifespan) -> Lifespan:
        """Serve another application from now on.

        Args:
            fresh: the new FluxLit object.
            lifespan: that of its API, started.

        Returns:
            The former lifespan, still running.
        """
        old, self._lifespan, self.application = self._lifespan, lifespan, fresh
        setattr(fresh.api.state, STATE, self._address)
        return old


class HeldError:
    """Holds a response 500 back until the exception behind it is known.

    Starlette sends the response first and raises then.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._held: list[Message] = []

    async def __call__(self, message: Message) -> None:
        """Send a message, or keep it."""
        begins = message["type"] == "http.response.start" and message["status"] == 500
        if begins or (self._held and not message.get("more_body")):
            self._held.append(message)
            return
        await self._flush()
        await self._send(message)

    async def release(self, error: Exception | None) -> None:
        """Send what is held, with the exception in a header."""
        if self._held and error is not None:
            header = (FAULT_HEADER.encode(), quote(describe(error)[:MAX_FAULT]).encode())
            self._held[0] = {**self._held[0], "headers": [*self._held[0].get("headers", ()), header]}
        await self._flush()

    async def _flush(self) -> None:
        held, self._held = self._held, []
        for message in held:
            await self._send(message)


async def stop_lifespan(lifespan: Lifespan, timeout_s: float) -> None:
    """Run the shutdown of a lifespan; a failure is logged."""
    try:
        await lifespan.stop(timeout_s)
    except FluxLitError as error:
        logger.error("%s", error)  # noqa: TRY400  # the message names the cause
