"""Streamlit's navigation: planned as data, then handed to Streamlit.

Streamlit serves its default page at `/` only. A landing page with a path of its own is therefore listed
twice: once as the default, and once, hidden, under its path, so that both addresses work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fluxlit.pages.injection import run_page
from fluxlit.pages.record import PageRecord
from fluxlit.pages.run_context import RunContext

if TYPE_CHECKING:
    from fluxlit.auth.contract import User
    from fluxlit.client import ApiClient
    from fluxlit.pages.registry import PageRegistry
    from fluxlit.settings import Settings

# Key in the session state: the path of the page that ran last.
_LAST_PAGE = "fluxlit_page"


@dataclass(frozen=True)
class Entry:
    """One page in the navigation.

    Attributes:
        record: the page.
        url_path: the path without its slash, empty for the landing page.
        default: shown at `/`.
        hidden: not listed.
    """

    record: PageRecord
    url_path: str
    default: bool
    hidden: bool


def sections(registry: PageRegistry) -> dict[str, list[Entry]]:
    """Every entry by the heading it stands under, in order.

    Pages without a section come first, under an empty heading, as Streamlit shows them.
    """
    landing = registry.landing
    grouped: dict[str, list[Entry]] = {"": []} if any(not record.section for record in registry) else {}
    for record in registry.records:
        entries = grouped.setdefault(record.section or "", [])
        if record is not landing:
            entries.append(Entry(record, record.url_path, False, record.hidden))
            continue
        entries.append(Entry(record, "", True, record.hidden))
        if record.url_path:
            entries.append(Entry(record, record.url_path, False, True))
    return grouped


def build_navigation(
    registry: PageRegistry,
    app: object,
    *,
    settings: Settings | None = None,
    client: ApiClient | None = None,
    overrides: Mapping[Callable[..., Any], Callable[..., Any]] | None = None,
    headers: Mapping[str, str] | None = None,
    cookies: Mapping[str, str] | None = None,
    user: User | None = None,
    protected: bool = False,
    is_asked_for: Callable[[Any], bool] = lambda _: True,
) -> Any:
    """What `st.navigation` takes; to be called in a Streamlit script run.

    Args:
        registry: the pages.
        app: given to pages that ask for the FluxLit object.
        settings: given to pages that ask for `Settings`.
        client: given to pages in place of the client of this process.
        overrides: dependency -> function to call in its place, for tests.
        headers: in place of the request's headers, for tests.
        cookies: in place of the request's cookies, for tests.
        user: who has logged in.
        protected: a login exists, so pages require a user unless they are public.
        is_asked_for: whether the browser requests an `st.Page`. A page that this user may not see is listed only
            then, or as the one at `/`, and shows that access is denied.

    Returns:
        A list of `st.Page`, or a dict of such lists by section if any page has one.
    """
    import streamlit as st  # noqa: PLC0415 - the gateway's process must not import it

    context = RunContext(st, app, settings, client, overrides or {}, headers, cookies, user, protected)
    grouped = {
        name: [page for entry in entries for page in _permitted(entry, context, is_asked_for)]
        for name, entries in sections(registry).items()
    }
    grouped = {name: pages for name, pages in grouped.items() if pages}
    return grouped if any(grouped) else [page for pages in grouped.values() for page in pages]


def _permitted(entry: Entry, context: RunContext, is_asked_for: Callable[[Any], bool]) -> Iterator[Any]:
    """The page, or in its place one that denies access and reveals nothing."""
    if context.permits(entry.record.requirement):
        yield _page(entry, context)
        return
    title = context.settings.title if context.settings is not None else "Sign in"
    no = context.st.Page(
        lambda: run_page(entry.record, context),
        title=title,
        url_path=entry.url_path,
        default=entry.default,
        visibility="hidden",
    )
    if entry.default or is_asked_for(no):
        yield no


def _page(entry: Entry, context: RunContext) -> Any:
    record = entry.record
    options: dict[str, Any] = {"title": record.title, "url_path": entry.url_path, "default": entry.default}
    if record.icon:
        options["icon"] = record.icon
    if entry.hidden:
        options["visibility"] = "hidden"
    if record.script is None:
        return context.st.Page(lambda: _run(record, context), **options)
    page = context.st.Page(record.script, **options)
    page.run = _configured(page.run, record, context)
    return page


def _configured(run: Callable[[], None], record: PageRecord, context: RunContext) -> Callable[[], None]:
    def configure_and_run() -> None:
        context.check(record.requirement)
        _configure(record, context)
        run()

    return configure_and_run


def _run(record: PageRecord, context: RunContext) -> None:
    _configure(record, context)
    run_page(record, context)


def _configure(record: PageRecord, context: RunContext) -> None:
    """Apply the page's look before the page runs, so that it can change it."""
    arrived = context.st.session_state.get(_LAST_PAGE) != record.path
    context.st.session_state[_LAST_PAGE] = record.path
    usual = context.settings.streamlit_page_config if context.settings is not None else {}
    context.st.set_page_config(**record.page_config(arrived=arrived, usual=usual))
