"""Responses of the login's routes: redirects and small pages."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from fluxlit.auth.contract import PAGE

# Responses are not stored (ASVS 14.3.2), and their URL, which may contain a code, is not sent as Referer.
HEADERS = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"

# For a server other than FluxLit's.
_PLAIN = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
</head><body><h1>{title}</h1><p>{text}</p>{action}</body></html>
"""


class Page(HTMLResponse):
    """A small page in the look of the application that it is sent for."""

    def __init__(self, status: int, title: str, text: str, action: str) -> None:
        self._parts = title, text, action
        plain = _PLAIN.format(title=escape(title), text=escape(text), action=action)
        super().__init__(plain, status, {**HEADERS, "content-security-policy": POLICY})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the page."""
        title, text, action = self._parts
        if (look := scope.get(PAGE)) is not None:
            self.body = self.render(look.render(title, text, content=action))
            self.headers["content-length"] = str(len(self.body))
        await super().__call__(scope, receive, send)


def redirect(location: str, cookies: Iterable[bytes] = ()) -> Response:
    """Return a redirect by GET: a code must not be posted again.

    RFC 9110 section 15.4.4.
    """
    response = Response(status_code=303, headers={"location": location, **HEADERS})
    return _with_cookies(response, cookies)


def page(
    status: int,
    title: str,
    text: str,
    *,
    link: tuple[str, str] | None = None,
    cookies: Iterable[bytes] = (),
    retry_after: int = 10,
) -> Response:
    """Return a small page.

    Args:
        status: HTTP status.
        title: heading.
        text: message; never text from the request or the provider.
        link: address and label of a button.
        cookies: Set-Cookie values.
        retry_after: seconds, for status 429 and 503.
    """
    action = f'<p><a href="{escape(link[0])}">{escape(link[1])}</a></p>' if link else ""
    response: Response = Page(status, title, text, action)
    if status in (429, 503):
        response.headers["retry-after"] = str(retry_after)
    return _with_cookies(response, cookies)


def question(title: str, text: str, action: str, label: str) -> Response:
    """Return a page with one button, which posts to an address."""
    form = f'<form method="post" action="{escape(action)}"><button>{escape(label)}</button></form>'
    return Page(200, title, text, form)


def _with_cookies(response: Response, cookies: Iterable[bytes]) -> Response:
    response.raw_headers += [(b"set-cookie", cookie) for cookie in cookies]
    return response
