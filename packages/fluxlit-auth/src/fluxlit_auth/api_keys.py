"""`APIKeys`: authenticates programs by random keys, stored as hashes.

A key has 256 random bits, so a plain SHA-256 is as good as a slow hash is for a password: it cannot be guessed. Create
one with `new_api_key`, give the key to its owner, and put the hash into the configuration.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from starlette.types import Scope

from fluxlit.auth.contract import NonInteractiveAuthenticator, Problem, User, Verdict
from fluxlit_auth.errors import AuthConfigError

PREFIX = "sha256:"
ISSUER = "api-keys"
MAX_KEY = 512


@dataclass(frozen=True)
class APIKey:
    """An accepted key.

    Attributes:
        name: its owner, the subject of the user.
        hash: value of `new_api_key` or `hash_api_key`.
        roles: of the user.
        expires_at: seconds since the epoch; `None` for never.
    """

    name: str
    hash: str
    roles: frozenset[str] = frozenset()
    expires_at: float | None = None

    def __post_init__(self) -> None:
        digest = self.hash.removeprefix(PREFIX)
        if not self.name or digest == self.hash or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise AuthConfigError("APIKey needs a name, and a hash made by fluxlit_auth.hash_api_key")


def new_api_key() -> tuple[str, str]:
    """Return a new key and its hash.

    The key is for its owner; the hash goes into the configuration.
    """
    key = f"flx_{secrets.token_urlsafe(32)}"
    return key, hash_api_key(key)


def hash_api_key(key: str) -> str:
    """Return the hash of a key, for `APIKey`."""
    return PREFIX + sha256(key.encode()).hexdigest()


class APIKeys(NonInteractiveAuthenticator):
    """Authenticates programs by a key in a request header.

    Args:
        keys: accepted keys.
        header: name of the header.
        clock: seconds since the epoch.

    Raises:
        AuthConfigError: two keys are equal.
    """

    def __init__(
        self, keys: Iterable[APIKey], *, header: str = "X-API-Key", clock: Callable[[], float] = time.time
    ) -> None:
        given = tuple(keys)
        self._keys = {each.hash: each for each in given}
        if len(self._keys) < len(given):
            raise AuthConfigError("APIKeys: two keys have the same hash")
        self._header, self._name, self._clock = header, header.lower().encode("ascii"), clock

    async def authenticate(self, scope: Scope) -> Verdict:
        """Authenticate a request. Never raises."""
        values = [value for name, value in scope["headers"] if name == self._name]
        if not values:
            return Verdict()
        # Looked up by its hash, so the time it takes reveals nothing about any key.
        text = values[0].decode("latin-1")
        found = self._keys.get(hash_api_key(text)) if len(values) == 1 and len(text) <= MAX_KEY else None
        if found is None or (found.expires_at is not None and self._clock() >= found.expires_at):
            return Verdict(problem=Problem(401, "The API key is unknown or has expired.", self.challenge()))
        return Verdict(
            User(found.name, ISSUER, found.name, roles=found.roles, expires_at=found.expires_at, scheme="api-key")
        )

    def strips(self) -> tuple[bytes, ...]:
        """Return the header, which the application does not receive."""
        return (self._name,)

    def challenge(self) -> str:
        """Value of WWW-Authenticate; there is no registered scheme for this."""
        return f'ApiKey header="{self._header}"'

    def security_schemes(self) -> Mapping[str, Mapping[str, Any]]:
        """The scheme for the OpenAPI document."""
        return {"APIKey": {"type": "apiKey", "in": "header", "name": self._header}}
