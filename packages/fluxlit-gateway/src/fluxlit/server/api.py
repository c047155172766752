"""The API half of the application: what browsers and pages call."""

from __future__ import annotations

import asyncio
import inspect
import logging
import pkgutil
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from fastapi.middleware.cors import CORSMiddleware

from fluxlit._internal.asgi import Application, Message, Receive, Scope, Send, response_headers
from fluxlit._internal.lifespan import Lifespan
from fluxlit._internal.tracebacks import FAULT_HEADER, describe
from fluxlit.auth.middleware import AuthMiddleware
from fluxlit.backends import ApiWorkers, Readiness, UiFacts
from fluxlit.errors import FluxLitError
from fluxlit.gateway.routes import Route
from fluxlit.observability.request_record import classify
from fluxlit.pages.app_definition import AppDefinition
from fluxlit.server.adopted_api import take_over
from fluxlit.server.authentication import security_schemes
from fluxlit.server.run_directory import RunDirectory
from fluxlit.settings import Resolved
from fluxlit.settings.target import blame
from fluxlit.urls import STATE, PublicAddress
from fluxlit.worker.scope_header import PAGE_CALL

logger = logging.getLogger("fluxlit")

NOT_STARTED = Readiness(ready=False, detail="the server has not started the application's lifespan")

MAX_FAULT = 500
"""Characters of an exception that a page receives."""

IN_PROCESS = Readiness(ready=True, detail="")


class Api:
    """The API: FastAPI in this process, or a relay to API workers.

    Args:
        application: the FluxLit object.
        resolved: the effective settings.
        auth: the authentication middleware; `None` without a login.
        address: what the server knows of its own address.
        find_target: where workers import the application from; called at start.
        traced: puts a span around what is relayed to workers.
        development: code may be reloaded, and pages receive the exception that a route raised.

    Attributes:
        application: the FluxLit object in force.
        workers: the API workers, while the server runs; `None` without any.
    """

    def __init__(
        self,
        application: AppDefinition,
        resolved: Resolved,
        auth: AuthMiddleware | None,
        address: PublicAddress | None = None,
        *,
        find_target: Callable[[], str] = str,
        traced: Callable[[Application], Application] = lambda application: application,
        development: bool = False,
    ) -> None:
        self.application = application
        self.workers: ApiWorkers | None = None
        self._address = address or PublicAddress(resolved.settings)
        set_up_api(application, self._address)
        self._resolved = resolved
        self._settings = resolved.settings
        self._auth = auth
        self._authenticators = application.authenticators  # those of the first application alone are bound
        self._find_target = find_target
        self._development = development
        self._lifespan = Lifespan(application.served_api)
        self._relay = traced(self._to_workers)

    @property
    def public(self) -> Application:
        """The API as browsers call it: with CORS, if that is configured."""
        settings = self._settings
        if not settings.cors_allow_origins:
            return self._served
        return CORSMiddleware(
            self._served,
            allow_origins=settings.cors_allow_origins,
            allow_credentials=settings.cors_allow_credentials,
            allow_methods=["*"],
            allow_headers=["*"],
        )

    @property
    def _served(self) -> Application:
        return self._relay if self._settings.api_workers else self.application.served_api

    def _to_workers(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if self.workers is None:
            raise FluxLitError(NOT_STARTED.detail)
        return self.workers(scope, receive, send)

    async def serve_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a call of a page, with the public mount as `root_path`."""
        classify(scope, Route.API)
        self.add_state(scope)
        mount = scope["root_path"]
        scope = {**scope, "root_path": mount + self._settings.api_mount_path}
        if self._development and scope["type"] == "http":
            scope[PAGE_CALL] = True
            if not self._settings.api_workers:
                await with_fault(lambda send: self._call(scope, receive, send, mount), send)
                return
        await self._call(scope, receive, send, mount)

    async def _call(self, scope: Scope, receive: Receive, send: Send, mount: str) -> None:
        if self._auth is None:
            await self._served(scope, receive, send)
        else:
            path = scope["path"].removeprefix(mount)
            await self._auth.admit_page(self._served, scope, receive, send, path)

    def add_state(self, scope: Scope) -> None:
        """Add the lifespan's state to a scope (ASGI lifespan 2.0)."""
        if self._lifespan.state:
            scope["state"] = {**scope.get("state", {}), **self._lifespan.state}

    def readiness(self) -> Readiness:
        """Whether the API can serve now; performs no I/O."""
        if not self._settings.api_workers:
            return IN_PROCESS
        return NOT_STARTED if self.workers is None else self.workers.readiness()

    def build(self, directory: RunDirectory) -> ApiWorkers | None:
        """Make the workers, if there are any, without starting them.

        Raises:
            FluxLitError: the target is wrong.
        """
        if self._settings.api_workers:
            facts = UiFacts(
                app=self.application,
                target=self._find_target(),
                script=None,
                run_directory=directory.path,
                api_security=security_schemes(self._authenticators),
                login=self._auth is not None,
                development=self._development,
            )
            self.workers = ApiWorkers(facts, self._resolved)
        return self.workers

    async def start(self) -> None:
        """Run what runs once, then the workers or the start-up of the lifespan.

        Raises:
            FluxLitError: it failed.
        """
        if self._settings.api_before_start is not None:
            await run_once(self._settings.api_before_start)
        if self.workers is None:
            take_over(self.application.api, self._settings)
            await self._lifespan.start()
        else:
            await self.workers.start()

    async def stop(self, timeout_s: float) -> None:
        """Stop the workers or the lifespan; a failure is logged."""
        if self.workers is None:
            await stop_lifespan(self._lifespan, timeout_s)
        else:
            await self.workers.stop(timeout_s)

    def replace(self, fresh: AppDefinition, lifespan: Lifespan) -> Lifespan:
        """Serve another application from now on.

        Args:
            fresh: the new FluxLit object.
            lifespan: that of its API, started if the API runs in this process.

        Returns:
            The former lifespan, still running.
        """
        old, self._lifespan, self.application = self._lifespan, lifespan, fresh
        set_up_api(fresh, self._address)
        return old


def set_up_api(application: AppDefinition, address: PublicAddress) -> None:
    """Give the FastAPI application its title and its address."""
    if not application.api_is_adopted:
        application.api.title = address.settings.title
    setattr(application.api.state, STATE, address)


async def run_once(place: str) -> None:
    """Call the function that the setting `api_before_start` names.

    Raises:
        FluxLitError: there is none, or it failed.
    """
    try:
        function = pkgutil.resolve_name(place)
        if inspect.iscoroutinefunction(function):
            await function()
        else:
            await asyncio.to_thread(function)
    except Exception as error:  # the user's own code
        raise FluxLitError(f"api_before_start: {place} failed: {blame(error)}") from error


async def with_fault(serve: Callable[[Send], Awaitable[None]], send: Send) -> None:
    """Serve a call of a page; its response has the exception of the route."""
    held = HeldErrorResponse(send)
    try:
        await serve(held)
    except Exception as error:
        await held.release(error)
        raise
    await held.release(None)


class HeldErrorResponse:
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
            self._held[0] = {**self._held[0], "headers": [*response_headers(self._held[0]), header]}
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
