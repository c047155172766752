"""Headers by which the gateway passes the user on to the UI.

The gateway removes every header that begins with `x-fluxlit-` from what clients send, then adds its own. Their presence
therefore proves that the gateway set them, as long as nothing else can reach the process: a worker listens on a UNIX
socket in a private folder, an embedded UI on nothing at all, and an external Streamlit must be reachable by the
gateway alone.

============================  =========================================================================================
`x-fluxlit-user`              the user as JSON in base64url, in as many headers as it takes
`x-fluxlit-run`               the handle by which the API recognises calls of the pages behind this WebSocket
`x-fluxlit-user-subject`,     single facts, for an external Streamlit's `server.trustedUserHeaders`
`-issuer`, `-name`,
`-email`, `-roles`
============================  =========================================================================================
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Any

from fluxlit._internal.asgi import Header
from fluxlit._internal.header_names import OWN
from fluxlit.auth.contract import User

USER_FIELD = OWN + b"user"
RUN_FIELD = OWN + b"run"

PART = 6000
"""Bytes of one header: WebSocket servers allow 8 KiB a line (`websockets`), and 128 of them."""
MOST = 60 * PART
"""A user with more than this travels without claims."""


def user_fields(user: User) -> list[Header]:
    """The headers that describe a user."""
    encoded = _encode(user, with_claims=True)
    if len(encoded) > MOST:
        encoded = _encode(user, with_claims=False)
    return [(USER_FIELD, encoded[at : at + PART]) for at in range(0, len(encoded), PART)]


def fact_fields(user: User) -> list[Header]:
    """The same in single facts, without claims."""
    facts = {
        "subject": user.subject,
        "issuer": user.issuer,
        "name": user.name,
        "email": user.email,
        "roles": ",".join(sorted(user.roles)),
    }
    return [(USER_FIELD + b"-" + name.encode(), _line(text)) for name, text in facts.items() if text]


def read_user(values: Iterable[bytes]) -> User | None:
    """The user in the headers of a request; `None` if there are none."""
    encoded = b"".join(values)
    return user_of(json.loads(urlsafe_b64decode(encoded))) if encoded else None


def facts_of(user: User, *, with_claims: bool = True) -> dict[str, Any]:
    """A user as JSON values."""
    return {
        "subject": user.subject,
        "issuer": user.issuer,
        "name": user.name,
        "email": user.email,
        "roles": sorted(user.roles),
        "claims": dict(user.claims) if with_claims else {},
        "session": user.session,
        "expires_at": user.expires_at,
        "scheme": user.scheme,
    }


def user_of(facts: dict[str, Any]) -> User:
    """The user that `facts_of` has described."""
    return User(**{**facts, "roles": frozenset(facts["roles"])})


def _encode(user: User, *, with_claims: bool) -> bytes:
    # Claims of other packages' authenticators may hold what JSON does not know: dates, for instance.
    return urlsafe_b64encode(json.dumps(facts_of(user, with_claims=with_claims), default=str).encode())


def _line(text: str) -> bytes:
    """A value for a header (RFC 9110 section 5.5), in Latin-1 if possible."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    try:
        return clean.encode("latin-1")
    except UnicodeEncodeError:
        return clean.encode()
