"""What a user declares: API, pages, authenticators and settings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Self, TypeVar, Unpack, overload

from fastapi import FastAPI

from fluxlit._internal.asgi import Application
from fluxlit.auth.contract import Authenticator
from fluxlit.errors import FluxLitError, PageError
from fluxlit.pages.asgi_api import adopt_api
from fluxlit.pages.discovery import discover_pages
from fluxlit.pages.options import PageOptions
from fluxlit.pages.record import PageRecord
from fluxlit.pages.registry import PageRegistry
from fluxlit.pages.source import location_of
from fluxlit.pages.visible import Pages
from fluxlit.settings import SettingsArguments
from fluxlit.settings.target import described

PageT = TypeVar("PageT", bound=Callable[..., Any])

DEFAULT_TITLE = "FluxLit"


class AppDefinition:
    """The declaration of an application, without a server.

    `fluxlit.FluxLit` is the public class and documents arguments, attributes and errors.
    """

    def __init__(
        self,
        *,
        title: str | None = None,
        api: FastAPI | Application | None = None,
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
        new = {"title": title or DEFAULT_TITLE, **(fastapi_kwargs or {})}
        self.api, self.served_api = adopt_api(api if api is not None else FastAPI(**new))
        self.api_is_adopted = api is not None
        self.import_target = import_target
        self.authenticators = _authenticators(auth)
        # Not by inspect.stack(), which looks at all modules and so loads those that wait to be used.
        caller = sys._getframe(1)  # noqa: SLF001
        if ui is None and caller.f_globals.get("__name__") == "__main__":
            _refuse_script(Path(caller.f_code.co_filename).name)
        self.ui_script = _script(ui, caller.f_code.co_filename) if ui is not None else None
        named = {"title": title, "target": import_target}
        self.setting_arguments: dict[str, Any] = {
            **settings,
            **{name: value for name, value in named.items() if value is not None},
        }
        self.pages = PageRegistry(self, api_mount_path=settings.get("api_mount_path", "/api"))
        self.pages.provide(lambda run: Pages(self.pages, run), Pages)

    @overload
    def page(self, path: str, **options: Unpack[PageOptions]) -> Callable[[PageT], PageT]: ...

    @overload
    def page(self, path: str, *, script: str | Path, **options: Unpack[PageOptions]) -> PageRecord: ...

    def page(
        self, path: str, *, script: str | Path | None = None, **options: Unpack[PageOptions]
    ) -> Callable[[PageT], PageT] | PageRecord:
        """Register a page: a decorated function, or a script file.

        Args:
            path: ``/`` or ``/name``; Streamlit page URLs have one segment.
            script: file of the page, instead of a function.
            **options: see `fluxlit.pages.PageOptions`.

        Raises:
            PageError: the page cannot be registered as asked.
        """
        given: object = path
        if not isinstance(given, str):
            name = getattr(given, "__name__", "home")
            where = f"{location_of(given)}: " if callable(given) else ""
            raise PageError(f"{where}@app.page needs a path: write @app.page('/{name}') above the function {name}.")
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

    def discover_pages(self, package: str | ModuleType) -> Self:
        """Import every module of a package so that it registers its pages.

        Returns this object.

        Args:
            package: the package or its dotted name. A module with ``register(app)`` is called with this object.

        Raises:
            TargetError: there is no such package.
            PageError: a module breaks a rule for pages; then none of the package's pages stays.
        """
        discover_pages(self, package)
        return self

    def navigation(self, *paths: str) -> Self:
        """Put pages first in the navigation, in this order.

        Returns this object.

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


def _authenticators(auth: Authenticator | Sequence[Authenticator] | None) -> tuple[Authenticator, ...]:
    given = () if auth is None else tuple(auth) if isinstance(auth, Sequence) else (auth,)
    for each in given:
        if not callable(getattr(each, "authenticate", None)) or isinstance(each, type):
            raise FluxLitError(
                f"FluxLit(auth=...): {each!r} is no authenticator. Give an object such as OIDC.from_settings() of "
                f"fluxlit_auth, or one with the methods of fluxlit.auth.contract.Authenticator."
            )
    return given


def _refuse_script(file: str) -> None:
    """Fail in a file that runs as a page of Streamlit: nothing would be shown.

    Raises:
        FluxLitError: it does.
    """
    runtime = sys.modules.get("streamlit.runtime")
    if runtime is not None and runtime.exists():
        raise FluxLitError(
            f"{file} is a FluxLit application, not a Streamlit script: run it with `fluxlit dev {file}`, and test it "
            f"with fluxlit.testing."
        )


def _script(ui: str | Path, caller: str) -> Path:
    given: object = ui
    if not isinstance(given, str | Path):
        raise FluxLitError(f"FluxLit(ui=...) takes the path of a script, and this is {described(given)}.")
    path = (Path(caller).resolve().parent / ui).resolve()
    if not path.is_file():
        raise FluxLitError(f"FluxLit(ui={str(ui)!r}): there is no file {path}.")
    return path
