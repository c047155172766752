"""Identity headers of a proxy: plain, or signed.

`TrustedProxy` decides which connections may send them. An `IdentityHeaders` describes and reads those of one kind of
proxy.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from fluxlit.auth.contract import User
from fluxlit_auth.access_token import check
from fluxlit_auth.claims import non_empty_string, strings, strings_at
from fluxlit_auth.errors import AuthError, TokenRefused
from fluxlit_auth.http_client import HttpClient, checked_url
from fluxlit_auth.jws import verify
from fluxlit_auth.keys import Keys, RemoteKeys

LEEWAY_S = 30.0

Headers = list[tuple[bytes, bytes]]


class IdentityReader(Protocol):
    """Reads the user of a request; it may cache keys."""

    async def read(self, headers: Headers, now: float) -> User | None:
        """Return the user; `None` if the headers name none.

        Raises:
            AuthError: the headers are not valid.
            ProviderUnavailable: they cannot be verified at the moment.
        """
        ...


class IdentityHeaders(Protocol):
    """The headers in which a proxy names users.

    Attributes:
        signed: only the proxy can make them.
        header_names: headers that name a user or hold tokens; none of them reaches the application.
        cookies: cookies of the proxy likewise; ``*`` at the end matches any suffix.
    """

    @property
    def signed(self) -> bool: ...  # noqa: D102
    @property
    def header_names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def cookies(self) -> tuple[str, ...]: ...  # noqa: D102

    def reader(self, web: HttpClient) -> IdentityReader:
        """Return the reader of these headers.

        Args:
            web: HTTP client for keys.
        """
        ...


@dataclass(frozen=True)
class PlainFields:
    """Unsigned headers, such as those of oauth2-proxy.

    Attributes:
        user: header with the permanent identifier of the user.
        email: header with the email address.
        name: header with the display name.
        groups: header with the roles, separated by commas.
        issuer: value of `User.issuer`.
        secrets: further headers that the application must not receive.
        cookies: the proxy's own cookies.
    """

    user: str = "X-Forwarded-User"
    email: str = "X-Forwarded-Email"
    name: str = "X-Forwarded-Preferred-Username"
    groups: str = "X-Forwarded-Groups"
    issuer: str = "proxy"
    secrets: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    signed: bool = field(default=False, init=False)

    @property
    def header_names(self) -> tuple[str, ...]:
        """All headers of the proxy."""
        return (self.user, self.email, self.name, self.groups, *self.secrets)

    def reader(self, web: HttpClient) -> IdentityReader:
        """Return the reader of these headers."""
        return self

    async def read(self, headers: Headers, now: float) -> User | None:
        """Return the user of a request."""
        subject = single(headers, self.user)
        if not subject:
            return None
        return User(
            subject=subject,
            issuer=self.issuer,
            name=single(headers, self.name) or None,
            email=single(headers, self.email) or None,
            roles=frozenset(filter(None, (role.strip() for role in single(headers, self.groups).split(",")))),
            scheme="proxy",
        )


@dataclass(frozen=True)
class Assertion:
    """A JWT in a header, verified with keys of a JWK Set.

    Attributes:
        header: header with the JWT.
        issuer: expected `iss`.
        audience: this application's name in `aud`; one name or several.
        jwks_url: URL of the proxy's keys.
        algorithms: accepted signature algorithms.
        roles_claim: claim with the roles; a nested claim is written with dots.
        secrets: further headers that the application must not receive.
        cookies: the proxy's own cookies.
    """

    header: str
    issuer: str
    audience: str | tuple[str, ...]
    jwks_url: str
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    roles_claim: str = "groups"
    secrets: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    signed: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        strings(self.audience, "audience")
        checked_url(self.jwks_url, "jwks_url", plain=True)

    @property
    def header_names(self) -> tuple[str, ...]:
        """All headers of the proxy."""
        return (self.header, *self.secrets)

    def reader(self, web: HttpClient) -> IdentityReader:
        """Return the reader of these headers, with the keys at `jwks_url`."""
        return _AssertionReader(self, RemoteKeys(self.jwks_url, web))


@dataclass(frozen=True)
class _AssertionReader:
    assertion: Assertion
    keys: Keys

    async def read(self, headers: Headers, now: float) -> User | None:
        assertion = self.assertion
        token = single(headers, assertion.header)
        if not token:
            return None
        verified = await verify(token, self.keys, assertion.algorithms)
        audiences = strings(assertion.audience, "audience")
        expires = check(verified, issuer=assertion.issuer, audiences=audiences, now=now, leeway=LEEWAY_S)
        return user_of(verified.claims, assertion.issuer, expires, assertion.roles_claim)


@dataclass(frozen=True)
class ClientPrincipal:
    """The headers of Azure's "Easy Auth": JSON in base64, unsigned.

    https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities

    Attributes:
        header: header with all claims.
        id: header with the permanent identifier of the user at the provider.
        name: header with the display name.
        provider: header with the name of the provider.
        secrets: headers with the user's tokens.
        cookies: its own cookies.
    """

    header: str = "X-MS-CLIENT-PRINCIPAL"
    id: str = "X-MS-CLIENT-PRINCIPAL-ID"
    name: str = "X-MS-CLIENT-PRINCIPAL-NAME"
    provider: str = "X-MS-CLIENT-PRINCIPAL-IDP"
    secrets: tuple[str, ...] = tuple(
        f"X-MS-TOKEN-{provider}-{what}"
        for provider in ("AAD", "GOOGLE", "FACEBOOK", "TWITTER")
        for what in ("ID-TOKEN", "ACCESS-TOKEN", "ACCESS-TOKEN-SECRET", "REFRESH-TOKEN", "EXPIRES-ON")
    )
    cookies: tuple[str, ...] = ("AppServiceAuthSession*",)
    signed: bool = field(default=False, init=False)

    @property
    def header_names(self) -> tuple[str, ...]:
        """All headers of the proxy."""
        return (self.header, self.id, self.name, self.provider, *self.secrets)

    def reader(self, web: HttpClient) -> IdentityReader:
        """Return the reader of these headers."""
        return self

    async def read(self, headers: Headers, now: float) -> User | None:
        """Return the user of a request."""
        subject = single(headers, self.id)
        if not subject:
            return None
        principal = _decoded(single(headers, self.header))
        claims = _claims(principal)
        roles = {*claims.get(str(principal.get("role_typ")), ()), *claims.get("roles", ()), *claims.get("groups", ())}
        return User(
            subject=subject,
            issuer=f"easy-auth:{single(headers, self.provider) or principal.get('auth_typ', '')}",
            name=single(headers, self.name) or None,
            email=next(iter(claims.get("emails", ()) or claims.get("preferred_username", ())), None),
            roles=frozenset(roles),
            claims={name: values[0] if len(values) == 1 else values for name, values in claims.items()},
            scheme="proxy",
        )


def _decoded(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(base64.b64decode(text, validate=True)) if text else {}
    except (binascii.Error, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise TokenRefused("format", "the principal is not a JSON object in base64")
    return found


def _claims(principal: Mapping[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    members = principal.get("claims")
    for each in members if isinstance(members, list) else []:
        name, value = (each.get("typ"), each.get("val")) if isinstance(each, dict) else (None, None)
        if isinstance(name, str) and isinstance(value, str):
            found.setdefault(name, []).append(value)
    return found


def user_of(claims: Mapping[str, Any], issuer: str, expires: float, roles_claim: str) -> User:
    """Return the user of signed headers that have been verified.

    Raises:
        TokenRefused: they do not name the user.
    """
    subject = non_empty_string(claims.get("sub")) or non_empty_string(claims.get("email"))
    if subject is None:
        raise TokenRefused("sub", "the user is not named")
    return User(
        subject=subject,
        issuer=issuer,
        name=non_empty_string(claims.get("name")),
        email=non_empty_string(claims.get("email")),
        roles=strings_at(claims, roles_claim),
        claims=claims,
        expires_at=expires,
        scheme="proxy",
    )


def single(headers: Headers, name: str) -> str:
    """Return the only value of a header; empty if there is none.

    Raises:
        AuthError: the header is repeated: one of the values is not the proxy's.
    """
    wanted = name.lower().encode("ascii")
    values = [value for key, value in headers if key == wanted]
    if len(values) > 1:
        raise AuthError(f"the header {name.lower()} is repeated")
    return _text(values[0]) if values else ""


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
