"""The pages that one visitor may open, for links from page to page."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from fluxlit.errors import PageError
from fluxlit.pages.path import LANDING
from fluxlit.pages.record import PageRecord
from fluxlit.pages.registry import PageRegistry
from fluxlit.pages.run_context import RunContext


class Pages:
    """The application's pages by path; annotate a parameter with this class.

    ```python
    def home(st, pages: Pages):
        st.page_link(pages["/orders"], label="All orders")
        if "/admin" in pages and st.button("Users"):
            st.switch_page(pages["/admin"], query_params={"tab": "users"})
    ```

    A path is in it, and iterating gives it, in the order of the navigation, if the visitor may open that page.
    """

    def __init__(self, registry: PageRegistry, run: RunContext) -> None:
        self._registry = registry
        self._run = run

    def __contains__(self, path: object) -> bool:
        """Whether there is such a page, and the visitor may open it."""
        record = self._find(path)
        return record is not None and self._run.permits(record.requirement)

    def __iter__(self) -> Iterator[str]:
        """The paths of all pages that the visitor may open, hidden ones too."""
        return (record.path for record in self._registry if self._run.permits(record.requirement))

    def __getitem__(self, path: str) -> Any:
        """A page as Streamlit takes it: for `st.page_link` and `st.switch_page`.

        A user who may not open a page can still be sent there, and sees that access is denied.

        Args:
            path: as the page is registered; `/` is the landing page at any path.

        Raises:
            PageError: there is no such page.
        """
        record = self._find(path)
        if record is None:
            raise PageError(f"there is no page {path!r} to lead to{self._advice(path)}.")
        landing = record is self._registry.landing
        options: dict[str, Any] = {"icon": record.icon} if record.icon else {}
        return self._run.st.Page(
            record.script or _nothing,
            title=record.title,
            url_path="" if landing else record.url_path,
            default=landing,
            **options,
        )

    def _find(self, path: object) -> PageRecord | None:
        return self._registry.landing if path == LANDING else self._registry.find(str(path))

    def _advice(self, path: str) -> str:
        known = [record.path for record in self._registry]
        close = difflib.get_close_matches(str(path), known, n=1)
        return f" (did you mean {close[0]!r}?)" if close else f"; there are {', '.join(map(repr, known))}"


def _nothing() -> None:
    """Never run: Streamlit runs the navigation's page of the same address."""
