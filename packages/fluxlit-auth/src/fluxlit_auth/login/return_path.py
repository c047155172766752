"""The path that a browser opens after a login. No open redirect.

It is a path of this application, or its start page. Only strings that are certainly a path are accepted, because
browsers read many others as another host: a second slash or a backslash after the first one, control characters that
they skip, a scheme. A percent-encoded slash or backslash is harmless to a browser, and still refused at the start of
the path: a server behind may decode it.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

MAX_PATH = 2000
MAX_LENGTH = 8000
"""Characters of path and query; edges accept no more by default."""
BACKSLASH = "\\"
_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*\Z")
_QUERY = re.compile(r'[^\x00-\x20\x7f-\U0010ffff\\#"<>]*\Z')
_CONTROL = re.compile(r"[\x00-\x20\x7f\\]")


def return_path(wanted: str | None, mount: str) -> str:
    """Return the path to open.

    Args:
        wanted: untrusted value of the query.
        mount: public mount of the application, such as ``/apps/my-app``; empty for none.

    Returns:
        `wanted` if it leads into the application, else its start page. Path and query, no host. A query that is too
        long is left out.
    """
    path, mark, query = (wanted or "").partition("?")
    kept = f"{path}{mark}{query.replace(BACKSLASH, '%5C')}"  # as browsers do not write it, and servers read it
    kept = path if len(kept) > MAX_LENGTH else kept
    return kept if leads_inside(kept, mount) else f"{mount}/"


def leads_inside(wanted: str, mount: str) -> bool:
    """Whether a string is a path below the mount, for every reader.

    A query may follow.
    """
    written, _, query = wanted.partition("?")
    if len(written) > MAX_PATH or len(wanted) > MAX_LENGTH or not _PATH.match(written) or not _QUERY.match(query):
        return False
    path = _decoded(written)
    if path is None or _CONTROL.search(path) or path.startswith("//"):
        return False
    if any(segment in {".", ".."} for segment in path.split("/")):
        return False
    return path == mount or path.startswith(f"{mount}/")


def _decoded(path: str) -> str | None:
    """Remove every layer of percent-encoding; `None` if there are many."""
    for _ in range(5):
        once = unquote(path, errors="replace")
        if once == path:
            return path
        path = once
    return None
