"""The options of a page, checked when it is registered.

`Unpack[PageOptions]` is checked by type checkers only, and a misspelt `roles` would leave a page open.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypedDict

from fluxlit.errors import PageError
from fluxlit.pages.record import Layout, SidebarState


class PageOptions(TypedDict, total=False):
    """What may be said about a page beside its path.

    Attributes:
        title: name in navigation and browser tab; by default made from the name of the function or script.
        icon: one emoji or `:material/name:`.
        layout: `centered` or `wide`.
        initial_sidebar_state: `auto`, `expanded`, `collapsed`, or a width in pixels.
        section: heading in the navigation to stand under.
        order: pages with a number come first, in that order; the rest follow as registered.
        hidden: keep the page out of the navigation; its address works.
        default: make it the landing page, shown at `/` as well as at its path. A page at `/` is that already.
        tags: words for tools that read the manifest.
        public: show the page to visitors who have not logged in. Without a login in the application all pages are.
        roles: show the page to users with one of these roles only: for others it is not in the navigation, and its
            address refuses them.
    """

    title: str | None
    icon: str | None
    layout: Layout | None
    initial_sidebar_state: SidebarState | None
    section: str | None
    order: float | None
    hidden: bool
    default: bool
    tags: Sequence[str]
    public: bool
    roles: Collection[str]


_FLAGS = frozenset({"hidden", "default", "public"})
_TEXTS = frozenset({"title", "icon", "section"})
_LISTS = frozenset({"tags", "roles"})


def check_options(options: Mapping[str, Any], page: str) -> None:
    """Refuse unknown options and values of a wrong type.

    Args:
        options: what was given.
        page: the page, for messages.

    Raises:
        PageError: with the option that was perhaps meant.
    """
    for name, value in options.items():
        if name not in PageOptions.__annotations__:
            near = difflib.get_close_matches(name, PageOptions.__annotations__, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(PageOptions.__annotations__)}."
            raise PageError(f"{page} has no option {name!r}: {hint}")
        if wanted := _wanted(name, value):
            raise PageError(f"{page}: {name}={value!r} must be {wanted}.")


def _wanted(name: str, value: Any) -> str:
    """Return what an option must be; empty if the value is that."""
    if name in _FLAGS and not isinstance(value, bool):
        return "True or False"
    if name in _TEXTS and not isinstance(value, str | None):
        return "a string"
    if name == "order" and (isinstance(value, bool) or not isinstance(value, int | float | None)):
        return "a number"
    if name in _LISTS:
        is_collection = isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping)
        if not is_collection or not all(isinstance(each, str) for each in value):
            literal = f"{{{value!r}}}" if isinstance(value, str) else "{'admin'}"
            return f"a set of strings, such as {name}={literal}"
    return ""
