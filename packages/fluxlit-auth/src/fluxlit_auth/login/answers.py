"""What the routes of a login answer with: redirects and small pages that nobody caches, frames or learns from."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from starlette.responses import HTMLResponse, Response

# Nothing of these answers is kept (ASVS 14.3.2), and their address, which may hold a code, is told to nobody.
GUARDED = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;color:#31333f;margin:20vh auto;max-width:32em;padding:0 1em}}
button,a.button{{font:inherit;display:inline-block;padding:.4em 1em;border:1px solid #808495;border-radius:.5em;
background:none;color:inherit;text-decoration:none;cursor:pointer}}@media(prefers-color-scheme:dark){{body{{background:#0e1117;color:#fafafa}}}}</style>
</head><body><h1>{title}</h1><p>{text}</p>{action}</body></html>
"""


def redirect(location: str, cookies: Iterable[bytes] = ()) -> Response:
    """Sends a browser elsewhere by GET (RFC 9110 section 15.4.4: a code must not be posted again)."""
    response = Response(status_code=303, headers={"location": location, **GUARDED})
    return with_cookies(response, cookies)


def page(
    status: int, title: str, text: str, *, link: tuple[str, str] | None = None, cookies: Iterable[bytes] = ()
) -> Response:
    """A small page.

    Args:
        status: HTTP status.
        title: what it is about.
        text: what to know; never text of somebody else.
        link: address and label of the way on.
        cookies: Set-Cookie values.
    """
    action = f'<p><a class="button" href="{escape(link[0])}">{escape(link[1])}</a></p>' if link else ""
    return with_cookies(_html(status, title, text, action), cookies)


def question(title: str, text: str, action: str, label: str) -> Response:
    """A page with one button, which posts to an address."""
    form = f'<form method="post" action="{escape(action)}"><button>{escape(label)}</button></form>'
    return _html(200, title, text, form)


def with_cookies(response: Response, cookies: Iterable[bytes]) -> Response:
    """The same answer with Set-Cookie values added."""
    response.raw_headers += [(b"set-cookie", cookie) for cookie in cookies]
    return response


def _html(status: int, title: str, text: str, action: str) -> Response:
    content = _PAGE.format(title=escape(title), text=escape(text), action=action)
    headers = {**GUARDED, "content-security-policy": POLICY}
    if status == 503:
        headers["retry-after"] = "10"
    return HTMLResponse(content, status, headers)
