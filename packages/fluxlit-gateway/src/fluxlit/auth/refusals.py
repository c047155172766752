"""Responses for requests without access."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from fluxlit._internal.asgi import Header, Scope, Send
from fluxlit._internal.responses import NO_STORE, answer_problem, html_page, reply

RETRY_AFTER_S = 5

SIGNED_OUT = "You are signed out. Reload this page to sign in again."

_TITLES = {401: "Authentication required", 403: "Access denied", 503: "Sign-in is not available now"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not carried out.

    Attributes:
        status: 401 no login; 403 not allowed; 503 credentials cannot be checked now.
        detail: for the client.
        challenges: values of WWW-Authenticate.
        cookies: values of Set-Cookie for the response.
        ways: where a person can go from here: address and label of each link.
    """

    status: int
    detail: str
    challenges: tuple[str, ...] = ()
    cookies: tuple[bytes, ...] = ()
    ways: tuple[tuple[str, str], ...] = ()

    async def to_browser(self, scope: Scope, send: Send) -> None:
        """Send a small page."""
        title = _TITLES.get(self.status, HTTPStatus(self.status).phrase)
        page = html_page(scope, title, self.detail, links=self.ways)
        await reply(scope, send, self.status, page, b"text/html; charset=utf-8", self._fields())

    async def to_front_end(self, scope: Scope, send: Send) -> None:
        """Send the plain string that Streamlit's scripts show to the person."""
        text = SIGNED_OUT if self.status == 401 else self.detail
        await reply(scope, send, self.status, text.encode(), b"text/plain; charset=utf-8", self._fields())

    async def to_program(self, scope: Scope, send: Send) -> None:
        """Send a problem document (RFC 9457)."""
        await answer_problem(scope, send, self.status, self.detail, self._fields())

    def _fields(self) -> list[Header]:
        fields: list[Header] = [NO_STORE]
        fields += [(b"www-authenticate", challenge.encode("latin-1", "replace")) for challenge in self.challenges]
        if self.status == 503:
            fields.append((b"retry-after", str(RETRY_AFTER_S).encode()))
        return fields + [(b"set-cookie", cookie) for cookie in self.cookies]


async def to_login(scope: Scope, send: Send, location: str, cookies: tuple[bytes, ...]) -> None:
    """Send a browser to the login, always by GET (RFC 9110 section 15.4.3)."""
    fields: list[Header] = [(b"location", location.encode("latin-1", "replace")), NO_STORE]
    fields += [(b"set-cookie", cookie) for cookie in cookies]
    await reply(scope, send, 302, b"", b"text/plain; charset=utf-8", fields)
