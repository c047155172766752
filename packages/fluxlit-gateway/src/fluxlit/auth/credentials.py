"""Taking out of a request what only the login may see.

API and UI are other people's code, and what they log or show is theirs to decide. The cookie of a login is worth as
much as a password for as long as the login lasts.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from fluxlit._internal.cookies import cookie_pairs

Header = tuple[bytes, bytes]

COOKIE = b"cookie"
AUTHORIZATION = b"authorization"


@dataclass(frozen=True)
class Secrets:
    """What is taken out.

    Attributes:
        fields: names of fields, in lower case.
        cookies: names of cookies.
        prefixes: beginnings of names of cookies.
    """

    fields: frozenset[bytes] = frozenset()
    cookies: frozenset[bytes] = frozenset()
    prefixes: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, fields: Collection[bytes], cookies: Collection[bytes]) -> Secrets:
        """Read names as authenticators give them; a cookie that ends in ``*`` stands for all that begin so."""
        return cls(
            fields=frozenset(plain(name) for name in fields),
            cookies=frozenset(name for name in cookies if not name.endswith(b"*")),
            prefixes=tuple(name[:-1] for name in cookies if name.endswith(b"*")),
        )

    def without(self, headers: list[Header], *, authorization: bool) -> list[Header]:
        """The fields of a request without what is taken out.

        Args:
            headers: the fields.
            authorization: keep Authorization.
        """
        kept: list[Header] = []
        for name, value in headers:
            if name == COOKIE:
                if left := self._cookies(value):
                    kept.append((name, left))
            elif plain(name) not in self.fields and (authorization or name != AUTHORIZATION):
                kept.append((name, value))
        return kept

    def _cookies(self, value: bytes) -> bytes:
        pairs = cookie_pairs(value)
        return b"; ".join(pair for pair in pairs if not self._is_secret(pair.partition(b"=")[0].strip()))

    def _is_secret(self, name: bytes) -> bool:
        return name in self.cookies or (bool(self.prefixes) and name.startswith(self.prefixes))


def plain(name: bytes) -> bytes:
    """A field name as frameworks compare them: underscores count as hyphens (RFC 3875 section 4.1.18)."""
    return name.lower().replace(b"_", b"-")
