"""The pages of one application, and the rules of registering them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Unpack

from fluxlit.auth.contract import User
from fluxlit.client import ApiClient
from fluxlit.errors import PageError
from fluxlit.pages.options import PageOptions, check_options
from fluxlit.pages.path import LANDING, check_mount, parse_path
from fluxlit.pages.plan import Planner, Provider
from fluxlit.pages.record import PageRecord, check_access, check_look
from fluxlit.pages.source import Location, caller, location_of
from fluxlit.sessions import SessionStore, page_session, session_store
from fluxlit.settings import Settings
from fluxlit.urls import Urls
from fluxlit.users import require_login


class PageRegistry:
    """The pages of one application, in the order of the navigation.

    Args:
        owner: the FluxLit object that the pages belong to; pages get it by annotating a parameter with its class.
        api_mount_path: where the API is mounted according to the code; no page may stand there.
    """

    def __init__(self, owner: object | None = None, *, api_mount_path: str = "/api") -> None:
        self._records: list[PageRecord] = []
        self._providers: dict[Any, Provider] = {}
        self._api_mount_path = api_mount_path
        self.provide(lambda run: run.client, ApiClient)
        self.provide(lambda run: run.settings, Settings)
        self.provide(lambda run: run.urls, Urls)
        self.provide(lambda _: session_store(), SessionStore)
        self.provide(lambda run: require_login.check(run.user), User)
        self.provide(lambda run: run.user, User | None)
        if owner is not None:
            self.provide(lambda run: run.app, *type(owner).__mro__[:-1])

    def provide(self, provider: Provider, *types: Any) -> None:
        """Let pages registered from now on ask for something by annotation.

        Args:
            provider: gives the value for one run.
            types: the annotations that ask for it.
        """
        for type_ in types:
            self._providers[type_] = provider

    def add(
        self,
        path: str,
        page: Callable[..., Any] | None = None,
        *,
        script: str | Path | None = None,
        **options: Unpack[PageOptions],
    ) -> PageRecord:
        """Register a page.

        Args:
            path: `/`, or `/name`: a Streamlit page URL has one segment.
            page: the page function.
            script: in its place a script file; a relative path counts from the file that registers it.
            **options: see `PageOptions`.

        Raises:
            PageError: if a rule is broken. Nothing is registered then.
        """
        origin = caller()
        location = location_of(page) if page is not None else origin.location
        try:
            check_options(options, f"page {path!r}")
            path = parse_path(path)
            check_look(options.get("icon"), options.get("layout"), options.get("initial_sidebar_state"))
            public = options.get("public", False)
            roles = check_access(public=public, roles=options.get("roles", ()))
            source = _find_script(page, script, origin.location)
            planner = Planner(self._providers)
            record = PageRecord(
                path=path,
                title=options.get("title") or _title(page, source),
                function=page,
                script=source,
                icon=options.get("icon"),
                layout=options.get("layout"),
                initial_sidebar_state=options.get("initial_sidebar_state"),
                section=options.get("section"),
                order=options.get("order"),
                hidden=options.get("hidden", False),
                default=options.get("default", False),
                tags=tuple(options.get("tags", ())),
                public=public,
                roles=roles,
                description=_first_line(page),
                location=location,
                plan=planner.plan_page(page, path, origin.names) if page is not None else None,
                planner=planner,
            )
            self._check(record)
        except PageError as error:
            raise _located(error, location) from error.__cause__
        self._records.append(record)
        return record

    def __iter__(self) -> Iterator[PageRecord]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self._records)

    @property
    def records(self) -> tuple[PageRecord, ...]:
        """All pages in the order of the navigation."""
        return tuple(sorted(self._records, key=lambda record: (record.order is None, record.order or 0)))

    @property
    def landing(self) -> PageRecord | None:
        """The page at `/`: the one that claims it, else the first visible one."""
        claimed = next((record for record in self._records if record.lands), None)
        shown = next((record for record in self.records if not record.hidden), None)
        return claimed or shown or next(iter(self.records), None)

    def arrange(self, paths: Sequence[str]) -> None:
        """Put pages at the head of the navigation, in an order of their own.

        Args:
            paths: paths of registered pages; the others follow as they were.

        Raises:
            PageError: a path that no page has, or one that is named twice.
        """
        known = [record.path for record in self._records]
        for path in paths:
            if path not in known or paths.count(path) > 1:
                what = "is named twice" if path in known else f"is no page; there are {', '.join(map(repr, known))}"
                raise PageError(f"The navigation cannot be arranged: {path!r} {what}.")
        order = {path: float(place - len(paths)) for place, path in enumerate(paths)}
        self._records[:] = [
            dataclasses.replace(record, order=order[record.path]) if record.path in order else record
            for record in self._records
        ]

    def find(self, path: str) -> PageRecord | None:
        """The page with a path, or `None`."""
        return next((record for record in self._records if record.path == path), None)

    def snapshot(self) -> tuple[PageRecord, ...]:
        """All pages in the order in which they were registered."""
        return tuple(self._records)

    def restore(self, records: tuple[PageRecord, ...]) -> None:
        """Go back to an earlier `snapshot`."""
        self._records[:] = records

    def validate(self, api_mount_path: str) -> None:
        """Check all pages against the API's effective mount path.

        Raises:
            PageError: if the API hides a page.
        """
        for record in self._records:
            try:
                check_mount(record.path, api_mount_path)
            except PageError as error:
                raise _located(error, record.location) from None

    def require_session_store(self, reason: str) -> None:
        """Refuse to run without a session store where a page asks for its session.

        Raises:
            PageError: with the reason why there is none.
        """
        for record in self._records:
            if record.plan is not None and record.plan.calls(page_session):
                raise _located(PageError(f"page {record.path!r} asks for its session, but {reason}"), record.location)

    def require_login(self, reason: str) -> None:
        """Refuse pages with roles in an application without a login.

        Raises:
            PageError: with the reason why there is none.
        """
        for record in self._records:
            if record.roles:
                raise _located(PageError(f"page {record.path!r} has roles, but {reason}"), record.location)

    def _check(self, new: PageRecord) -> None:
        check_mount(new.path, self._api_mount_path)
        for known in self._records:
            if known.path.casefold() == new.path.casefold():
                differs = "" if known.path == new.path else f" (as {known.path!r}, which differs only in case)"
                raise PageError(f"page path {new.path!r} is already registered{differs} at {known.location}.")
            if known.lands and new.lands:
                raise PageError(
                    f"page {new.path!r} cannot be the landing page too: page {known.path!r} at {known.location} is. "
                    f"Only one page may have path {LANDING!r} or default=True."
                )


def _find_script(page: Callable[..., Any] | None, script: str | Path | None, origin: Location) -> Path | None:
    if (page is None) == (script is None):
        raise PageError("a page is either a function or a script file: give exactly one of them.")
    if script is None:
        return None
    path = (origin.directory / script).resolve()
    if not path.is_file():
        raise PageError(f"page script {str(script)!r} is missing: there is no file {path}.")
    return path


def _title(page: Callable[..., Any] | None, script: Path | None) -> str:
    name = script.stem if script else getattr(page, "__name__", type(page).__name__)
    words = re.sub(r"[_\W]+", " ", name).strip() or "Page"
    return words[0].upper() + words[1:]


def _first_line(page: Callable[..., Any] | None) -> str:
    return (getattr(page, "__doc__", None) or "").strip().partition("\n")[0]


def _located(error: PageError, location: Location) -> PageError:
    message = str(error)
    return PageError(message if re.match(r".+:\d+: ", message) else f"{location}: {message}")
