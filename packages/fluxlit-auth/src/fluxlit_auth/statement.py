"""What a proxy in front says of a user, and how it says it: in plain fields, or signed.

`TrustedProxy` decides whom to listen to. A `Statement` reads what a proxy of its kind has written.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from fluxlit_auth.access_token import check
from fluxlit_auth.errors import AuthError, TokenRefused
from fluxlit_auth.identity import User
from fluxlit_auth.jws import verify
from fluxlit_auth.keys import Keys, RemoteKeys
from fluxlit_auth.machine import Fields, field_values, optional_text, texts, values_at
from fluxlit_auth.web import Web, checked_url

LEEWAY_S = 30.0


class Reader(Protocol):
    """Reads the statements of one proxy; made by `Statement.reader`, it may keep keys."""

    async def read(self, headers: Fields, now: float) -> User | None:
        """The user of a request; `None` if nothing is said.

        Raises:
            AuthError: what is said cannot be believed.
            ProviderUnavailable: it cannot be judged now.
        """
        ...


class Statement(Protocol):
    """How a proxy names users.

    Attributes:
        signed: nobody else can say the same.
        fields: the names of all fields that name a user or hold one's tokens; the application gets none of them.
        cookies: the names of the proxy's own cookies likewise; one that ends in ``*`` stands for all that begin so.
    """

    @property
    def signed(self) -> bool: ...  # noqa: D102
    @property
    def fields(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def cookies(self) -> tuple[str, ...]: ...  # noqa: D102

    def reader(self, web: Web) -> Reader:
        """What reads them.

        Args:
            web: the way to keys.
        """
        ...


@dataclass(frozen=True)
class PlainFields:
    """Fields with plain text, such as those of oauth2-proxy.

    Attributes:
        user: field with the user's name, which never changes.
        email: field with the address.
        name: field with the name to show.
        groups: field with the roles, separated by commas.
        issuer: what stands for the proxy in `User.issuer`.
        secrets: further fields, which the application must not get.
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
    def fields(self) -> tuple[str, ...]:
        """All of them."""
        return (self.user, self.email, self.name, self.groups, *self.secrets)

    def reader(self, web: Web) -> Reader:
        """Reads them."""
        return self

    async def read(self, headers: Fields, now: float) -> User | None:
        """The user of a request."""
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
    """A JWT whose keys are a JWK Set.

    Attributes:
        header: the field that it is in.
        issuer: its `iss`.
        audience: this application's name in `aud`; one name or several.
        jwks_url: where the proxy's keys are.
        algorithms: those that are accepted.
        roles_claim: where roles are; a nested claim is written with dots.
        secrets: further fields, which the application must not get.
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
        texts(self.audience, "audience")
        checked_url(self.jwks_url, "jwks_url", plain=True)

    @property
    def fields(self) -> tuple[str, ...]:
        """All of them."""
        return (self.header, *self.secrets)

    def reader(self, web: Web) -> Reader:
        """Reads them, with the keys at `jwks_url`."""
        return _AssertionReader(self, RemoteKeys(self.jwks_url, web))


@dataclass(frozen=True)
class _AssertionReader:
    assertion: Assertion
    keys: Keys

    async def read(self, headers: Fields, now: float) -> User | None:
        assertion = self.assertion
        token = single(headers, assertion.header)
        if not token:
            return None
        verified = await verify(token, self.keys, assertion.algorithms)
        audiences = texts(assertion.audience, "audience")
        expires = check(verified, issuer=assertion.issuer, audiences=audiences, now=now, leeway=LEEWAY_S)
        return user_of(verified.claims, assertion.issuer, expires, assertion.roles_claim)


@dataclass(frozen=True)
class ClientPrincipal:
    """The fields of Azure's built-in authentication ("Easy Auth"): JSON in base64, unsigned.

    https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities

    Attributes:
        header: field with all claims.
        id: field with the user's id at the provider, which never changes.
        name: field with the name to show.
        provider: field with the provider's name.
        secrets: fields with the user's tokens.
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
    def fields(self) -> tuple[str, ...]:
        """All of them."""
        return (self.header, self.id, self.name, self.provider, *self.secrets)

    def reader(self, web: Web) -> Reader:
        """Reads them."""
        return self

    async def read(self, headers: Fields, now: float) -> User | None:
        """The user of a request."""
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
        raise TokenRefused("format", "the principal is no JSON object in base64")
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
    """The user of a signed statement that has been checked.

    Raises:
        TokenRefused: it does not say who that is.
    """
    subject = optional_text(claims.get("sub")) or optional_text(claims.get("email"))
    if subject is None:
        raise TokenRefused("sub", "it does not say who the user is")
    return User(
        subject=subject,
        issuer=issuer,
        name=optional_text(claims.get("name")),
        email=optional_text(claims.get("email")),
        roles=values_at(claims, roles_claim),
        claims=claims,
        expires_at=expires,
        scheme="proxy",
    )


def single(headers: Fields, name: str) -> str:
    """The only value of a field; empty if there is none.

    Raises:
        AuthError: there are several: one of them is not the proxy's.
    """
    values = field_values(headers, name.lower().encode("ascii"))
    if len(values) > 1:
        raise AuthError(f"there are several {name.lower()} fields")
    return _text(values[0]) if values else ""


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
