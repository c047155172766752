"""Removal of credentials from requests to API and UI.

API and UI are other people's code, and what they log or show is theirs to decide. The cookie of a login is worth as
much as a password for as long as the login lasts.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from fluxlit._internal.asgi import Header
from fluxlit._internal.cookies import cookie_pairs

COOKIE = b"cookie"
AUTHORIZATION = b"authorization"


@dataclass(frozen=True)
class Secrets:
    """What is taken out.

    Attributes:
        headers: names of headers, in lower case.
        cookies: names of cookies.
        prefixes: beginnings of names of cookies.
    """

    headers: frozenset[bytes] = frozenset()
    cookies: frozenset[bytes] = frozenset()
    prefixes: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, headers: Collection[bytes], cookies: Collection[bytes]) -> Secrets:
        """Read names as authenticators give them: `strips` and `strips_cookies`."""
        return cls(
            headers=frozenset(plain(name) for name in headers),
            cookies=frozenset(name for name in cookies if not name.endswith(b"*")),
            prefixes=tuple(name[:-1] for name in cookies if name.endswith(b"*")),
        )

    def without(self, headers: list[Header], *, authorization: bool) -> list[Header]:
        """The headers of a request without the credentials.

        Args:
            headers: of the request.
            authorization: keep Authorization.
        """
        kept: list[Header] = []
        for name, value in headers:
            if name == COOKIE:
                if left := self._cookies(value):
                    kept.append((name, left))
            elif plain(name) not in self.headers and (authorization or name != AUTHORIZATION):
                kept.append((name, value))
        return kept

    def _cookies(self, value: bytes) -> bytes:
        pairs = cookie_pairs(value)
        return b"; ".join(pair for pair in pairs if not self._is_secret(pair.partition(b"=")[0].strip()))

    def _is_secret(self, name: bytes) -> bool:
        return name in self.cookies or (bool(self.prefixes) and name.startswith(self.prefixes))


def plain(name: bytes) -> bytes:
    """A header name with underscores as hyphens (RFC 3875 section 4.1.18)."""
    return name.lower().replace(b"_", b"-")
