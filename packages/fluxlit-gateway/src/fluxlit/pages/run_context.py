"""What one run of a page knows: request, user, client and settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fluxlit.auth.contract import User
from fluxlit.client import ApiClient, current
from fluxlit.pages.marker import InputPlace
from fluxlit.settings import Settings
from fluxlit.urls import Urls, seen_by
from fluxlit.users import Requirement


@dataclass(frozen=True)
class RunContext:
    """What one run of a page may ask for.

    Attributes:
        st: the `streamlit` module.
        app: the FluxLit object.
        settings: the effective settings.
        api_client: the client for the API; by default the one of this process.
        overrides: dependency -> function to call in its place, for tests.
        headers: in place of the headers of the session's request, for tests.
        cookies: in place of its cookies, for tests.
        user: the logged-in user, or `None`.
        protected: a login exists, so pages require a user unless they are public.
    """

    st: Any
    app: Any = None
    settings: Settings | None = None
    api_client: ApiClient | None = None
    overrides: Mapping[Callable[..., Any], Callable[..., Any]] = field(default_factory=dict)
    headers: Mapping[str, str] | None = None
    cookies: Mapping[str, str] | None = None
    user: User | None = None
    protected: bool = False

    def permits(self, requirement: Requirement | None) -> bool:
        """Whether the user may see a page.

        Args:
            requirement: of the page; `None` for a public one.
        """
        return not self.protected or requirement is None or requirement.met_by(self.user)

    def check(self, requirement: Requirement | None) -> None:
        """Check that the user may see a page.

        Args:
            requirement: of the page; `None` for a public one.

        Raises:
            fluxlit.users.Denied: the user may not.
        """
        if self.protected and requirement is not None:
            requirement.check(self.user)

    @property
    def client(self) -> ApiClient:
        """The client for this run.

        Raises:
            ClientError: if this process has no API to call.
        """
        return self.api_client or current()

    @property
    def urls(self) -> Urls:
        """The addresses by which people know the application."""
        headers = self.st.context.headers if self.headers is None else self.headers
        docs_path = self.app.api.docs_url if self.app is not None else None
        return seen_by(headers, self.settings or Settings(), docs_path)

    def values(self, place: InputPlace, name: str) -> list[str]:
        """All values of a name in the request, in order; empty for none."""
        if place is InputPlace.QUERY:
            return list(self.st.query_params.get_all(name))
        if place is InputPlace.HEADER and self.headers is None:
            return list(self.st.context.headers.get_all(name))
        if place is InputPlace.HEADER:
            return [value for key, value in (self.headers or {}).items() if key.casefold() == name.casefold()]
        cookies = self.st.context.cookies if self.cookies is None else self.cookies
        return [cookies[name]] if name in cookies else []

    def query_names(self) -> Iterable[str]:
        """Every name in the query string."""
        return list(self.st.query_params)
