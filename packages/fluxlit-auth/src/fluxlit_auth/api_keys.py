"""API keys: long random texts that callers send in a field, and of which only hashes are kept here.

A key is random and long, so that a plain SHA-256 of it is as good as a slow hash is for a password: there is nothing
to guess. Make one with `new_api_key`, give it to its owner, and write down the hash.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from fluxlit_auth.errors import AuthConfigError
from fluxlit_auth.identity import Problem, User, Verdict
from fluxlit_auth.machine import Passive, Scope, field_values

PREFIX = "sha256:"
ISSUER = "api-keys"
MAX_KEY = 512


@dataclass(frozen=True)
class APIKey:
    """A key that is accepted.

    Attributes:
        name: whose it is: the subject of its user.
        hash: as `new_api_key` or `hash_api_key` gives it.
        roles: of its user.
        expires_at: seconds since the epoch; `None` for never.
    """

    name: str
    hash: str
    roles: frozenset[str] = frozenset()
    expires_at: float | None = None

    def __post_init__(self) -> None:
        digest = self.hash.removeprefix(PREFIX)
        if not self.name or digest == self.hash or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise AuthConfigError("an API key needs a name, and a hash as fluxlit_auth.hash_api_key gives it")


def new_api_key() -> tuple[str, str]:
    """A new key, and its hash. The key is shown once, to its owner; the hash goes into the configuration."""
    key = f"flx_{secrets.token_urlsafe(32)}"
    return key, hash_api_key(key)


def hash_api_key(key: str) -> str:
    """The hash of a key, as `APIKey` takes it."""
    return PREFIX + sha256(key.encode()).hexdigest()


class APIKeys(Passive):
    """Recognises callers by a key in a field of the request.

    Args:
        keys: those that are accepted.
        header: name of the field.
        clock: seconds since the epoch.

    Raises:
        AuthConfigError: a key is there twice.
    """

    def __init__(
        self, keys: Iterable[APIKey], *, header: str = "X-API-Key", clock: Callable[[], float] = time.time
    ) -> None:
        given = tuple(keys)
        self._keys = {each.hash: each for each in given}
        if len(self._keys) < len(given):
            raise AuthConfigError("APIKeys: two keys have the same hash")
        self._header, self._field, self._clock = header, header.lower().encode("ascii"), clock

    async def authenticate(self, scope: Scope) -> Verdict:
        """Judge a request. Never raises."""
        values = field_values(scope["headers"], self._field)
        if not values:
            return Verdict()
        # Looked up by its hash: how long that takes tells nothing about any key.
        text = values[0].decode("latin-1")
        found = self._keys.get(hash_api_key(text)) if len(values) == 1 and len(text) <= MAX_KEY else None
        if found is None or (found.expires_at is not None and self._clock() >= found.expires_at):
            return Verdict(problem=Problem(401, "The API key is not known here, or has expired.", self.challenge()))
        return Verdict(
            User(found.name, ISSUER, found.name, roles=found.roles, expires_at=found.expires_at, scheme="api-key")
        )

    def strips(self) -> tuple[bytes, ...]:
        """The key is kept from the application."""
        return (self._field,)

    def challenge(self) -> str:
        """What a caller without a key is told; there is no registered scheme for this."""
        return f'ApiKey header="{self._header}"'

    def security_schemes(self) -> Mapping[str, Mapping[str, Any]]:
        """The scheme for the OpenAPI document."""
        return {"APIKey": {"type": "apiKey", "in": "header", "name": self._header}}
