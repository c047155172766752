"""One page under Streamlit's AppTest, with navigation and API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest.mock import NonCallableMock

from fluxlit import client as own_client
from fluxlit import sessions, users
from fluxlit.app import FluxLit
from fluxlit.auth.contract import User
from fluxlit.client import ApiClient
from fluxlit.errors import FluxLitError, PageError
from fluxlit.pages import build_navigation
from fluxlit.settings import Settings
from fluxlit.streamlit.application import running_runtime
from fluxlit.streamlit.script_run import PAGE_HASH, page_hash
from fluxlit.testing.api import detached_client, settings_of
from fluxlit.testing.visitor import NO_LOGIN, provider_for, visited
from fluxlit.worker.visitors import streamlit_facts

if TYPE_CHECKING:
    from streamlit.testing.v1 import AppTest


def page_test(
    app: FluxLit,
    path: str = "/",
    *,
    user: User | None = None,
    client: ApiClient | None = None,
    settings: Settings | None = None,
    overrides: Mapping[Callable[..., Any], Callable[..., Any]] | None = None,
    query: Mapping[str, str | list[str]] | None = None,
    headers: Mapping[str, str] | None = None,
    cookies: Mapping[str, str] | None = None,
    timeout: float = 60.0,
) -> AppTest:
    """Streamlit's AppTest on one page of the application, ready for `.run()`.

    ```python
    page = page_test(app, "/orders", overrides={current_user: lambda: "ada"}, query={"page": "2"}).run()
    assert not page.exception
    ```

    AppTest replaces Streamlit's runtime for its process, so it cannot be used where an application is being served;
    use `run_server` for that, which serves in another process.

    Args:
        app: the FluxLit object. With `FluxLit(ui=...)` the adopted script runs; `user`, `client`, `query` apply.
        path: the page.
        user: who has logged in; `None` for a visitor who has not. The page, `current_user()`, the calls of `client`
            and, from Streamlit 1.67 on, `st.user` know the same one.
        client: given to the page, and what `fluxlit.client.current()` returns in a script; by default one that calls
            the application's API in this process, without the API's lifespan. `with api_client(app) as client:` makes
            one with it.
        settings: given to the page; by default those that the application's code gives.
        overrides: dependency -> function to call in its place.
        query: the page's query string.
        headers: the headers of the browser's request.
        cookies: the cookies of the browser's request.
        timeout: seconds that one run may take; the first one imports pandas and the like.

    Raises:
        PageError: if there is no such page.
        FluxLitError: if Streamlit is serving in this process, or there is a user and the application has no login.
    """
    from streamlit.testing.v1 import AppTest  # noqa: PLC0415 - the gateway's process must not import it

    # A page test that ran out of time leaves its stand-in behind, which does no harm.
    if not isinstance(running_runtime(), NonCallableMock | None):
        raise FluxLitError(
            "A page test would detach the Streamlit server that runs in this process. Run page tests in another "
            "process, or test the server from outside with fluxlit.testing.run_server."
        )
    if user is not None and not app.authenticators:
        raise FluxLitError(NO_LOGIN)
    settings = settings or settings_of(app)
    client = client or detached_client(app, settings, user)
    if app.ui_script is not None:
        own_client.configure(client)
        users.configure(provider_for(app, settings, user))
        test = AppTest.from_file(app.ui_script, default_timeout=timeout)
    else:
        sessions.configure(settings)
        scene = _Scene(app, settings, client, overrides or {}, headers or {}, cookies or {}, user)
        test = AppTest.from_function(_show, default_timeout=timeout, args=(scene,))
        _select(test, app, path)
    if app.authenticators:
        test.user = streamlit_facts(user)
    for name, value in (query or {}).items():
        test.query_params[name] = value
    return test


@dataclass(frozen=True)
class _Scene:
    app: FluxLit
    settings: Settings
    client: ApiClient
    overrides: Mapping[Callable[..., Any], Callable[..., Any]]
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    user: User | None

    def show(self) -> None:
        import streamlit as st  # noqa: PLC0415

        pages = build_navigation(
            self.app.pages,
            self.app,
            settings=self.settings,
            client=self.client,
            overrides=self.overrides,
            headers=self.headers,
            cookies=self.cookies,
            user=self.user,
            protected=bool(self.app.authenticators),
        )
        own_client.configure(self.client)
        try:
            with visited(self.app, self.settings, self.user):
                st.navigation(pages).run()
        finally:
            own_client.configure(None)


def _show(scene: "_Scene") -> None:  # noqa: UP037 - AppTest copies this source to where the name is unknown
    scene.show()


def _select(test: AppTest, app: FluxLit, path: str) -> None:
    record = app.pages.find(path) if path != "/" else app.pages.landing
    if record is None:
        known = ", ".join(record.path for record in app.pages.records) or "none"
        raise PageError(f"there is no page {path!r} to test; there are: {known}.")
    name = page_hash(path.removeprefix("/"))
    if name is not None:
        # AppTest.switch_page takes files only; this is what it does for them.
        test._page_hash = name  # noqa: SLF001
    elif path != "/":
        raise PageError(PAGE_HASH.refusal())
