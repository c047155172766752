"""One page as it was registered."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fluxlit.errors import PageError
from fluxlit.pages.path import LANDING
from fluxlit.pages.plan import Plan, Planner
from fluxlit.pages.source import Location
from fluxlit.users import Requirement

Layout = Literal["centered", "wide"]
SidebarState = Literal["auto", "expanded", "collapsed"] | int

_MATERIAL = re.compile(r":material/[a-z0-9_]+:")
# Emoji are drawn from these Unicode categories: symbols, and the marks, joiners and selectors that combine them.
_EMOJI_CATEGORIES = frozenset({"So", "Sk", "Sm", "Po", "Pd", "Mn", "Me", "Cf"})


@dataclass(frozen=True)
class PageRecord:
    """One page: what runs, and everything that was said about it.

    Attributes:
        path: `/`, or `/name`.
        title: name in the navigation and in the browser's tab.
        function: the page function; `None` for a script.
        script: absolute path of the script file; `None` for a function.
        icon: emoji or `:material/name:`.
        layout: `centered`, `wide`, or `None` to leave it to Streamlit and the page.
        initial_sidebar_state: `auto`, `expanded`, `collapsed`, a width in pixels, or `None`.
        section: heading in the navigation that the page stands under.
        order: pages with a number come first, in that order; the rest follow as registered.
        hidden: reachable by its address, but not listed in the navigation.
        default: the landing page, shown at `/`.
        tags: words for tools that read the manifest.
        public: visitors who have not logged in may see it.
        roles: of which a user needs one to see it; empty if any user may.
        description: the first line of the function's docstring, shown as a tooltip in the navigation.
        location: where the page was registered or defined.
        plan: how to call the function; `None` for a script.
        planner: plans functions that stand in for dependencies.
    """

    path: str
    title: str
    function: Callable[..., Any] | None
    script: Path | None
    icon: str | None
    layout: Layout | None
    initial_sidebar_state: SidebarState | None
    section: str | None
    order: float | None
    hidden: bool
    default: bool
    tags: tuple[str, ...]
    public: bool
    roles: frozenset[str]
    description: str
    location: Location
    plan: Plan | None = field(repr=False, compare=False)
    planner: Planner = field(repr=False, compare=False)

    @property
    def url_path(self) -> str:
        """The path as Streamlit counts it: without the slash."""
        return self.path.removeprefix("/")

    @property
    def lands(self) -> bool:
        """Whether the page claims to be the landing page."""
        return self.default or self.path == LANDING

    @property
    def requirement(self) -> Requirement | None:
        """What a user must be to see the page; `None` for a public page."""
        return None if self.public else Requirement(self.roles)

    def page_config(self, *, arrived: bool, usual: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Arguments for `st.set_page_config`; the icon comes from navigation.

        The browser keeps layout and sidebar of the page before. A page that sets neither gets
        Streamlit's defaults when the user arrives at it, and keeps what it sets itself afterwards.

        Args:
            arrived: the user was on another page, or on none, in the run before.
            usual: the setting `streamlit_page_config`: what pages get that say nothing.
        """
        usual = usual or {}
        layout = self.layout or (usual.get("layout", "centered") if arrived else None)
        sidebar = self.initial_sidebar_state or (usual.get("initial_sidebar_state", "auto") if arrived else None)
        config = {"page_title": self.title, "layout": layout, "initial_sidebar_state": sidebar}
        if self.icon is None and "page_icon" in usual:
            config["page_icon"] = usual["page_icon"]
        if "menu_items" in usual:
            config["menu_items"] = usual["menu_items"]
        return config


def check_access(*, public: bool, roles: Collection[str]) -> frozenset[str]:
    """The roles of a page.

    Raises:
        PageError: they are no set of names, or contradict `public`.
    """
    if isinstance(roles, str):
        raise PageError(f"roles={roles!r} is one text: give a set, roles={{{roles!r}}}.")
    if public and roles:
        raise PageError("a page cannot be public and have roles: leave one of them out.")
    if not all(roles):
        raise PageError(f"roles={roles!r} holds an empty name.")
    return frozenset(roles)


def check_look(icon: str | None, layout: str | None, initial_sidebar_state: str | int | None) -> None:
    """Refuse a look that Streamlit would refuse at every run.

    Raises:
        PageError: with the values that are allowed.
    """
    if icon is not None and not (_MATERIAL.fullmatch(icon) or _looks_like_emoji(icon)):
        raise PageError(f"icon {icon!r} is not one: give one emoji, or a Material symbol such as ':material/home:'.")
    if layout not in (None, "centered", "wide"):
        raise PageError(f"layout {layout!r} does not exist: give 'centered' or 'wide'.")
    state = initial_sidebar_state
    is_width = isinstance(state, int) and not isinstance(state, bool) and state > 0
    if state not in (None, "auto", "expanded", "collapsed") and not is_width:
        raise PageError(
            f"initial_sidebar_state {state!r} does not exist: "
            f"give 'auto', 'expanded', 'collapsed', or a width in pixels."
        )


def _looks_like_emoji(text: str) -> bool:
    # A keycap such as 1️⃣ is the one emoji that starts with an ASCII character.
    symbols = text[1:] if text[:1] in tuple("0123456789#*") else text
    return bool(symbols) and all(unicodedata.category(character) in _EMOJI_CATEGORIES for character in symbols)
