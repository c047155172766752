"""`FluxLit`: the object that a user writes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, Unpack, overload

from fastapi import FastAPI

from fluxlit._internal.asgi import Receive, Scope, Send
from fluxlit.auth.contract import Authenticator
from fluxlit.errors import FluxLitError
from fluxlit.pages import PageOptions, PageRecord, PageRegistry, discover_pages
from fluxlit.settings import SettingsArguments

if TYPE_CHECKING:
    from fluxlit.server.runtime import Runtime

PageT = TypeVar("PageT", bound=Callable[..., Any])

DEFAULT_TITLE = "FluxLit"


class FluxLit:
    """A FastAPI application and a Streamlit application on one port.

    It is an ASGI application: ``uvicorn app:app`` runs both halves.

    Args:
        title: name of the application, in the browser and in the API's documentation.
        api: a FastAPI application that exists already; by default a new one.
        ui: script of a Streamlit application that exists already, used as ``streamlit run`` would use it. A relative
            path counts from the file that creates this object.
        import_target: ``module:attribute`` by which workers import this object; by default found by itself.
        fastapi_kwargs: arguments for the new FastAPI application.
        auth: who may log in, and how: one authenticator of `fluxlit_auth` or of your own (`fluxlit.auth.contract`),
            or several, which are asked in their order. With it everything needs a user that is not declared public.
        **settings: any setting, the weakest layer but the defaults. See `fluxlit.settings.Settings`.

    Attributes:
        api: the FastAPI application, mounted under ``api_mount_path``.
        api_is_adopted: the FastAPI application was given, and keeps its own title.
        pages: the registered pages.
        ui_script: the adopted Streamlit script.
        authenticators: those of `auth`; empty if nobody logs in.

    Raises:
        FluxLitError: arguments that contradict each other.
    """

    is_fluxlit: ClassVar[bool] = True

    def __init__(
        self,
        *,
        title: str | None = None,
        api: FastAPI | None = None,
        ui: str | Path | None = None,
        import_target: str | None = None,
        fastapi_kwargs: Mapping[str, Any] | None = None,
        auth: Authenticator | Sequence[Authenticator] | None = None,
        **settings: Unpack[SettingsArguments],
    ) -> None:
        if api is not None and fastapi_kwargs:
            raise FluxLitError(
                "FluxLit(api=..., fastapi_kwargs=...): the arguments are for a new FastAPI application, but one was "
                "given. Pass them where that one is made."
            )
        self.api = api if api is not None else FastAPI(**{"title": title or DEFAULT_TITLE, **(fastapi_kwargs or {})})
        self.api_is_adopted = api is not None
        self.import_target = import_target
        self.authenticators = _authenticators(auth)
        # Not by inspect.stack(), which looks at all modules and so loads those that wait to be used.
        self.ui_script = _script(ui, sys._getframe(1).f_code.co_filename) if ui is not None else None  # noqa: SLF001
        named = {"title": title, "target": import_target}
        self.setting_arguments: dict[str, Any] = {
            **settings,
            **{name: value for name, value in named.items() if value is not None},
        }
        self.pages = PageRegistry(self, api_mount_path=settings.get("api_mount_path", "/api"))
        self._runtime: Runtime | None = None

    @overload
    def page(self, path: str, **options: Unpack[PageOptions]) -> Callable[[PageT], PageT]: ...

    @overload
    def page(self, path: str, *, script: str | Path, **options: Unpack[PageOptions]) -> PageRecord: ...

    def page(
        self, path: str, *, script: str | Path | None = None, **options: Unpack[PageOptions]
    ) -> Callable[[PageT], PageT] | PageRecord:
        """Register a page: as a decorator of a function, or at once for a script file.

        Args:
            path: ``/`` or ``/name``; Streamlit page URLs have one segment.
            script: file of the page, instead of a function.
            **options: see `fluxlit.pages.PageOptions`.

        Raises:
            PageError: the page cannot be registered as asked.
        """
        if self.ui_script is not None:
            raise FluxLitError(
                f"FluxLit(ui=...) runs {self.ui_script} as it is, with its own pages; page {path!r} cannot be added. "
                f"Leave out ui=, and register the script as a page: app.page('/', script=...)."
            )
        if script is not None:
            return self.pages.add(path, script=script, **options)

        def register(function: PageT) -> PageT:
            self.pages.add(path, function, **options)
            return function

        return register

    def discover_pages(self, package: str | ModuleType) -> FluxLit:
        """Import every module of a package and let it register its pages; returns this object.

        Args:
            package: the package or its dotted name. A module with ``register(app)`` is called with this object.

        Raises:
            TargetError: there is no such package.
            PageError: a module breaks a rule for pages; then none of the package's pages stays.
        """
        discover_pages(self, package)
        return self

    def navigation(self, *paths: str) -> FluxLit:
        """Put pages at the head of the navigation, in this order; returns this object.

        Args:
            *paths: paths of registered pages. The others follow as they were registered.

        Raises:
            PageError: a path that no page has, or one that is named twice.
        """
        self.pages.arrange(paths)
        return self

    @property
    def has_ui(self) -> bool:
        """There is something for Streamlit to show."""
        return self.ui_script is not None or len(self.pages) > 0

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


def _authenticators(auth: Authenticator | Sequence[Authenticator] | None) -> tuple[Authenticator, ...]:
    given = () if auth is None else tuple(auth) if isinstance(auth, Sequence) else (auth,)
    for each in given:
        if not callable(getattr(each, "authenticate", None)) or isinstance(each, type):
            raise FluxLitError(
                f"FluxLit(auth=...): {each!r} is no authenticator. Give an object such as OIDC.from_settings() of "
                f"fluxlit_auth, or one with the methods of fluxlit.auth.contract.Authenticator."
            )
    return given


def _script(ui: str | Path, caller: str) -> Path:
    path = (Path(caller).resolve().parent / ui).resolve()
    if not path.is_file():
        raise FluxLitError(f"FluxLit(ui={str(ui)!r}): there is no file {path}.")
    return path
