"""Authorization requests that wait for their response.

The request itself is in a cookie of the browser, encrypted with a key that only the store knows, under the ``state``.
A long return path is compressed, and loses its query if it does not fit even so. The key can be taken once. So a
response is worth nothing in another browser (login CSRF, RFC 6749 section 10.12), nothing a second time, and nothing
after ten minutes; each tab has its own. The store holds the same few bytes for every request, however long its return
path is, and `LoginBudget` limits their number, because every client may begin a login.
"""

from __future__ import annotations

import logging
import secrets
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from dataclasses import asdict, dataclass, field, replace
from ipaddress import ip_address
from typing import Any

from fluxlit_auth.claims import printable
from fluxlit_auth.login.encryption import decrypt, encrypt, new_secret
from fluxlit_auth.login.stores import Clock
from fluxlit_sessions import SessionStore

logger = logging.getLogger("fluxlit_auth")

LIFETIME_S = 600
PURPOSE = "login attempt"

PER_ADDRESS = 1000
"""Logins that one address may begin in `LIFETIME_S`: enough for an office behind one address in the morning."""

IN_TOTAL = 50_000
"""Logins that all addresses together may begin in `LIFETIME_S`; they take about 20 MB of Redis."""

MAX_ADDRESSES = 10_000

MAX_ENCRYPTED = 3900
"""Characters of an encrypted request: a cookie has 4096 bytes with its name and attributes (RFC 6265 section 6.1)."""


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
        store: session store that keeps their keys.
    """

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    async def add(self, request: AuthorizationRequest) -> tuple[str, str]:
        """Store the key of a request; return its state and a cookie value.

        Raises:
            SessionStoreUnavailable: the store does not respond.
        """
        key = new_secret()
        state = await self._store.aput_once(PURPOSE, {"key": key}, ttl=LIFETIME_S)
        encrypted = encrypt(_content(request), key, PURPOSE)
        if len(encrypted) > MAX_ENCRYPTED:
            path = request.return_to.partition("?")[0]
            logger.warning(
                "Login without the query of its page: %d characters do not fit into a cookie: path=%s",
                len(request.return_to),
                printable(path),
            )
            encrypted = encrypt(_content(replace(request, return_to=path)), key, PURPOSE)
        return state, encrypted

    async def take(self, state: str, encrypted: str) -> AuthorizationRequest | None:
        """Take a request out.

        Returns:
            `None` if it is unknown, expired, already taken, or of another browser.

        Raises:
            SessionStoreUnavailable: the store does not respond.
        """
        stored = await self._store.atake_once(PURPOSE, state)
        content = decrypt(encrypted, str(stored.get("key")), PURPOSE) if stored else None
        return None if content is None else _request(content)


def _content(request: AuthorizationRequest) -> dict[str, Any]:
    # The return path alone: the size of what is compressed together with a secret gives hints at it.
    packed = urlsafe_b64encode(zlib.compress(request.return_to.encode())).decode()
    return asdict(request) | {"return_to": min(request.return_to, packed, key=len)}


def _request(content: dict[str, Any]) -> AuthorizationRequest:
    return_to = content["return_to"]
    if not return_to.startswith("/"):  # which base64url has not
        return_to = zlib.decompress(urlsafe_b64decode(return_to)).decode()
    return AuthorizationRequest(**{**content, "return_to": return_to})


class LoginBudget:
    """Counts logins for each address and in total, in constant time.

    Args:
        clock: seconds since the epoch.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock, self._window = clock, 0
        self._total = 0
        self._counts: OrderedDict[str, int] = OrderedDict()

    def spend(self, address: str) -> bool:
        """Count one login; false if the address or all have too many.

        Args:
            address: IP address of the client; empty if it is unknown, as on a UNIX socket.
        """
        window = int(self._clock() // LIFETIME_S)
        if window != self._window:
            self._window, self._total, self._counts = window, 0, OrderedDict()
        name = _network(address)
        spent = self._counts.pop(name, 0)
        self._counts[name] = spent + 1
        # Addresses are cheap: beyond this number the oldest is forgotten, and the total is what limits.
        if len(self._counts) > MAX_ADDRESSES:
            self._counts.popitem(last=False)
        if (address and spent >= PER_ADDRESS) or self._total >= IN_TOTAL:
            return False
        self._total += 1
        return True

    def seconds_left(self) -> int:
        """Return the time until the counts begin anew, in seconds."""
        return LIFETIME_S - int(self._clock() % LIFETIME_S)


def _network(address: str) -> str:
    """Return the address; of IPv6 its /64 network, the share of a client."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if found.version == 4:
        return str(found)
    mapped = found.ipv4_mapped
    return str(mapped) if mapped is not None else found.packed[:8].hex()
