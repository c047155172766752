"""`FluxLit`: the object that a user writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NoReturn

from fastapi import FastAPI

from fluxlit._internal.asgi import Receive, Scope, Send
from fluxlit.errors import FluxLitError
from fluxlit.pages.app_definition import AppDefinition

if TYPE_CHECKING:
    from fluxlit.server.runtime import Runtime


class FluxLit(AppDefinition):
    """A FastAPI application and a Streamlit application on one port.

    It is an ASGI application: ``uvicorn app:app`` runs both halves.

    Args:
        title: name of the application, in the browser and in the API's documentation.
        api: a FastAPI application that exists already, or another ASGI application, such as middleware around one; by
            default a new one.
        ui: script of a Streamlit application that exists already, used as ``streamlit run`` would use it. A relative
            path counts from the file that creates this object.
        import_target: ``module:attribute`` by which workers import this object; by default found by itself.
        fastapi_kwargs: arguments for the new FastAPI application.
        auth: who may log in, and how: one authenticator of `fluxlit_auth` or of your own (`fluxlit.auth.contract`),
            or several, which are asked in their order. With it everything needs a user that is not declared public.
        **settings: any setting, the weakest layer but the defaults. See `fluxlit.settings.Settings`.

    Attributes:
        api: the FastAPI application, mounted under ``api_mount_path``.
        served_api: the same, or the given ASGI application around it.
        api_is_adopted: the FastAPI application was given, and keeps its own title.
        pages: the registered pages.
        ui_script: the adopted Streamlit script.
        authenticators: those of `auth`; empty without a login.

    Raises:
        FluxLitError: arguments that contradict each other.
    """

    is_fluxlit: ClassVar[bool] = True

    _runtime: Runtime | None = None

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            """Name the place of what people look for here, such as ``app.get``."""
            hint = ""
            if name == "run":
                hint = "; start it with `fluxlit run`"
            elif not name.startswith("_") and hasattr(FastAPI, name):
                hint = f"; the API has: app.api.{name}"
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}", name=name, obj=self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope. The server's lifespan starts and stops everything."""
        if self._runtime is None:
            from fluxlit.server.asgi import Refusal  # noqa: PLC0415  # the gateway's; workers import this too
            from fluxlit.server.runtime import Runtime  # noqa: PLC0415

            try:
                self._runtime = Runtime(self)
            except FluxLitError as error:
                await Refusal(error)(scope, receive, send)
                return
        await self._runtime.asgi(scope, receive, send)
