"""Who sends a request: the answers that every authenticator of this package gives.

The gateway asks for objects of this shape and imports nothing of this package; see `fluxlit.authentication`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who has logged in.

    Attributes:
        subject: the user's name at the issuer, which never changes and is never given to another.
        issuer: who vouches for the user; subjects of two issuers have nothing to do with each other.
        name: for people to read.
        email: address, as the issuer states it.
        roles: what roles of pages and routes are compared with.
        claims: everything that the issuer states, as JSON values.
        session: public handle of the login session, by which it is listed and closed: a hash, not the id that the
            browser holds. `None` for machine callers.
        expires_at: seconds since the epoch at which this stops to be true.
        scheme: how the user was recognised: ``oidc``, ``bearer``, ``api-key``, ``proxy``.
    """

    subject: str
    issuer: str
    name: str | None = None
    email: str | None = None
    roles: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=dict, hash=False, repr=False)
    session: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    scheme: str = "oidc"


@dataclass(frozen=True, slots=True)
class Problem:
    """Credentials are there, and they are not good.

    Attributes:
        status: 401 they are wrong or expired; 403 they are right and not enough; 503 they cannot be judged now.
        detail: what is wrong, for the caller. It is sent to them: no secret and no token may be in it.
        challenge: value of WWW-Authenticate (RFC 9110 section 11.6.1); empty for none.
    """

    status: int
    detail: str
    challenge: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one authenticator makes of one request. Without user and problem: no credentials of its kind were there.

    Attributes:
        user: whom the credentials belong to.
        problem: what is wrong with them.
        set_cookies: whole values of Set-Cookie to add to the answer, whatever the answer is: renewed, or cleared.
    """

    user: User | None = None
    problem: Problem | None = None
    set_cookies: tuple[bytes, ...] = ()
