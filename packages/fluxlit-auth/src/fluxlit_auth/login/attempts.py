"""Login attempts: what has to be remembered while somebody is at the provider.

An attempt is in the session store, where it can be taken once, under the ``state`` of the request. What is stored is
sealed with a secret that only a cookie of the browser holds. So a callback is worth nothing in another browser (login
CSRF, RFC 6749 section 10.12), nothing a second time, and nothing after ten minutes; and each tab has its own.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field
from typing import Any

from fluxlit_auth.login.box import new_secret, seal, unseal
from fluxlit_sessions import SessionStore

LIFETIME_S = 600
PURPOSE = "login attempt"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login under way.

    Attributes:
        issuer: where the browser was sent; the answer must come from there (mix-up, RFC 9700 section 4.4).
        redirect_uri: where it was told to return; the token endpoint wants to hear the same.
        return_to: path to go to in the end.
        nonce: ties the ID token to this attempt.
        verifier: ties the code to this attempt (PKCE); 43 characters are the least, this has 86.
    """

    issuer: str
    redirect_uri: str
    return_to: str
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(64), repr=False)


class Attempts:
    """The attempts of one application.

    Args:
        store: where they are kept.
    """

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    async def remember(self, attempt: Attempt) -> tuple[str, str]:
        """Stores an attempt; returns its state, for the request, and its secret, for a cookie.

        Raises:
            SessionStoreUnavailable: the store does not answer.
        """
        secret = new_secret()
        content = {"sealed": seal(asdict(attempt), secret, PURPOSE)}
        return await self._store.aput_once(PURPOSE, content, ttl=LIFETIME_S), secret

    async def claim(self, state: str, secret: str) -> Attempt | None:
        """Takes an attempt out; `None` if there is none, it was taken, or it is another browser's.

        Raises:
            SessionStoreUnavailable: the store does not answer.
        """
        stored = await self._store.atake_once(PURPOSE, state)
        content: dict[str, Any] | None = unseal(stored.get("sealed"), secret, PURPOSE) if stored else None
        return None if content is None else Attempt(**content)
