"""Authorization requests that wait for their response while the browser is at the provider.

A request is stored under its ``state`` and can be taken once. It is encrypted with a secret that only a cookie of the
browser holds. So a response is worth nothing in another browser (login CSRF, RFC 6749 section 10.12), nothing a
second time, and nothing after ten minutes; each tab has its own.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field
from typing import Any

from fluxlit_auth.login.encryption import decrypt, encrypt, new_secret
from fluxlit_sessions import SessionStore

LIFETIME_S = 600
PURPOSE = "login attempt"


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """One login in progress.

    Attributes:
        issuer: the provider it was sent to; the response must name the same (mix-up, RFC 9700 section 4.4).
        redirect_uri: where the provider sends the browser; the token request repeats it.
        return_to: path of the application to open after the login.
        nonce: binds the ID token to this request.
        verifier: binds the code to this request (PKCE); RFC 7636 asks for 43 characters, this has 86.
    """

    issuer: str
    redirect_uri: str
    return_to: str
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(64), repr=False)


class AuthorizationRequestStore:
    """The pending authorization requests of one application.

    Args:
        store: session store that keeps them.
    """

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    async def add(self, request: AuthorizationRequest) -> tuple[str, str]:
        """Store a request; return its state, for the provider, and its secret, for a cookie.

        Raises:
            SessionStoreUnavailable: the store does not respond.
        """
        secret = new_secret()
        content = {"sealed": encrypt(asdict(request), secret, PURPOSE)}
        return await self._store.aput_once(PURPOSE, content, ttl=LIFETIME_S), secret

    async def take(self, state: str, secret: str) -> AuthorizationRequest | None:
        """Take a request out; `None` if it is unknown, expired, already taken, or of another browser.

        Raises:
            SessionStoreUnavailable: the store does not respond.
        """
        stored = await self._store.atake_once(PURPOSE, state)
        content: dict[str, Any] | None = decrypt(stored.get("sealed"), secret, PURPOSE) if stored else None
        return None if content is None else AuthorizationRequest(**content)
