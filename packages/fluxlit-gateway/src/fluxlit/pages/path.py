"""What a page path may be: `/` or `/name`.

Streamlit's browser code finds its server by probing the page's URL and the URL one segment
up, and no further. That is why a page URL has one segment, and why some names belong to the server.
"""

from __future__ import annotations

import re
import unicodedata

from fluxlit.errors import PageError

LANDING = "/"

# Streamlit's own routes and files below its mount, and those that FluxLit adds or redirects itself.
RESERVED = frozenset(
    {"static", "media", "component", "auth", "oauth2callback", "favicon.png", "manifest.json", "index.html"}
)

_NAME = re.compile(r"[\w.~-]+")


def parse_path(path: str) -> str:
    """The path in its one valid spelling (Unicode NFC).

    Raises:
        PageError: with what is wrong and a path that would do.
    """
    if path == LANDING:
        return path
    name = unicodedata.normalize("NFC", path.strip("/"))
    if "/" in name:
        raise PageError(
            f"page path {path!r} is nested, but a Streamlit page URL has one segment. "
            f"Use {_suggest(name)!r}, and section={name.split('/')[0].title()!r} to group pages in the navigation."
        )
    if not _NAME.fullmatch(name) or set(name) == {"."}:
        raise PageError(
            f"page path {path!r} is not valid: after the slash, use letters, digits, '-', '_', '.' and '~'. "
            f"For example {_suggest(name)!r}."
        )
    if path != f"/{path.strip('/')}":
        raise PageError(f"page path {path!r} must start with one slash and not end with one: use '/{name}'.")
    if name.startswith("_") or name.casefold() in RESERVED:
        raise PageError(
            f"page path {path!r} is reserved: the server needs '/{name}' itself "
            f"(reserved are names that start with '_' and {', '.join(sorted(RESERVED))}). "
            f"Use another name, such as '/{name.strip('_').partition('.')[0] or 'page'}-page'."
        )
    return f"/{name}"


def check_mount(path: str, api_mount_path: str) -> None:
    """Refuse a page that the API would hide.

    Raises:
        PageError: if the API is mounted at the page's path or below it.
    """
    if path != LANDING and f"{api_mount_path}/".startswith(f"{path}/"):
        raise PageError(
            f"page path {path!r} is taken by the API, which is mounted at {api_mount_path!r}. "
            f"Rename the page, or mount the API elsewhere with the setting api_mount_path."
        )


def _suggest(name: str) -> str:
    words = re.sub(r"[^\w.~-]+", "-", name).strip("-._")
    return f"/{words or 'page'}"
