"""Users whom a proxy in front has recognised: oauth2-proxy, Cloudflare Access, Pomerium and the like.

Such a proxy writes the user into fields of the request. Anybody else can write the same fields. So they are believed
only when the connection comes from a proxy that the operator trusts: `trust_proxy` on, and its address in
`forwarded_allow_ips`. From everybody else they are nothing, and the gateway removes them.

A proxy that signs what it says (`Assertion`) is checked as well, which also covers whoever gets past the network's
rules to the gateway, but not past the proxy's key.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from fluxlit_auth.access_token import check
from fluxlit_auth.errors import AuthConfigError, AuthError, ProviderUnavailable
from fluxlit_auth.identity import Problem, User, Verdict
from fluxlit_auth.jws import verify
from fluxlit_auth.keys import RemoteKeys
from fluxlit_auth.machine import PEER, Fields, Passive, Peer, Scope, field_values, optional_text, texts, values_at
from fluxlit_auth.web import Web, checked_url

LEEWAY_S = 30.0


@dataclass(frozen=True)
class Assertion:
    """A signed statement about the user.

    Attributes:
        header: the field that it is in.
        issuer: its `iss`.
        audience: this application's name in `aud`; one name or several.
        jwks_url: where the proxy's keys are.
        algorithms: those that are accepted.
        roles_claim: where roles are; a nested claim is written with dots.
    """

    header: str
    issuer: str
    audience: str | tuple[str, ...]
    jwks_url: str
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    roles_claim: str = "groups"

    @classmethod
    def cloudflare(cls, team: str, audience: str) -> Assertion:
        """Cloudflare Access: the name of the team, and the application's audience tag."""
        base = f"https://{team}.cloudflareaccess.com"
        return cls("Cf-Access-Jwt-Assertion", base, audience, f"{base}/cdn-cgi/access/certs")

    @classmethod
    def pomerium(cls, host: str) -> Assertion:
        """Pomerium: the public host name of the route, which is issuer and audience (its JWTs name just that)."""
        return cls("X-Pomerium-Jwt-Assertion", host, host, f"https://{host}/.well-known/pomerium/jwks.json")


class TrustedProxy(Passive):
    """Recognises users by what a trusted proxy says of them.

    Args:
        assertion: a signed statement that must be there; the plain fields are not read then.
        user: field with the user's name, which never changes.
        email: field with the address.
        name: field with the name to show.
        groups: field with the roles, separated by commas.
        issuer: what stands for the proxy in `User.issuer`.
        web: the way to the proxy's keys.
        clock: seconds since the epoch.

    Raises:
        AuthConfigError: what is configured cannot work.
    """

    def __init__(
        self,
        assertion: Assertion | None = None,
        *,
        user: str = "X-Forwarded-User",
        email: str = "X-Forwarded-Email",
        name: str = "X-Forwarded-Preferred-Username",
        groups: str = "X-Forwarded-Groups",
        issuer: str = "proxy",
        web: Web | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._web = web or Web()
        self._assertion, self._issuer, self._clock = assertion, issuer, clock
        self._user, self._email, self._name, self._groups = map(_field, (user, email, name, groups))
        if assertion is not None:
            self._audiences = texts(assertion.audience, "audience")
            self._keys = RemoteKeys(checked_url(assertion.jwks_url, "jwks_url", plain=True), self._web)

    def bind(self, context: object) -> None:
        """Refuse to run where no proxy is trusted: nobody could ever log in.

        Raises:
            AuthConfigError: `trust_proxy` is off.
        """
        settings = getattr(context, "settings", None)
        if not getattr(settings, "trust_proxy", False):
            raise AuthConfigError(
                "TrustedProxy believes nobody, because trust_proxy is off. Set FLUXLIT_TRUST_PROXY=1, and the "
                "addresses of your proxy in FLUXLIT_FORWARDED_ALLOW_IPS."
            )
        if self._assertion is None and "*" in getattr(settings, "forwarded_allow_ips", ()):
            raise AuthConfigError(
                "TrustedProxy with plain fields believes every client, because forwarded_allow_ips is '*'. Name the "
                "addresses of your proxy, or use a signed Assertion."
            )

    async def authenticate(self, scope: Scope) -> Verdict:
        """Judge a request. Never raises."""
        peer: Peer | None = scope.get(PEER)
        if peer is None or not peer.trusted:
            return Verdict()
        try:
            return await self._asserted(peer.headers) if self._assertion is not None else self._named(peer.headers)
        except ProviderUnavailable:
            return Verdict(problem=Problem(503, "The keys of the proxy in front cannot be had now. Try again soon."))
        except AuthError as error:
            return Verdict(problem=Problem(401, f"What the proxy in front says of the user is refused: {error}."))

    async def stop(self) -> None:
        """Close connections."""
        await self._web.close()

    def strips(self) -> tuple[bytes, ...]:
        """All fields that name the user."""
        signed = (_field(self._assertion.header),) if self._assertion is not None else ()
        return (self._user, self._email, self._name, self._groups, *signed)

    def _named(self, headers: Fields) -> Verdict:
        subject = _single(headers, self._user)
        if not subject:
            return Verdict()
        return Verdict(
            User(
                subject=subject,
                issuer=self._issuer,
                name=_single(headers, self._name) or None,
                email=_single(headers, self._email) or None,
                roles=frozenset(filter(None, (role.strip() for role in _single(headers, self._groups).split(",")))),
                scheme="proxy",
            )
        )

    async def _asserted(self, headers: Fields) -> Verdict:
        assert self._assertion is not None
        token = _single(headers, _field(self._assertion.header))
        if not token:
            return Verdict()
        verified = await verify(token, self._keys, self._assertion.algorithms)
        issuer = self._assertion.issuer
        expires = check(verified, issuer=issuer, audiences=self._audiences, now=self._clock(), leeway=LEEWAY_S)
        claims = verified.claims
        subject = optional_text(claims.get("sub")) or optional_text(claims.get("email"))
        if subject is None:
            return Verdict(problem=Problem(401, "The proxy in front does not say who the user is."))
        return Verdict(
            User(
                subject=subject,
                issuer=issuer,
                name=optional_text(claims.get("name")),
                email=optional_text(claims.get("email")),
                roles=values_at(claims, self._assertion.roles_claim),
                claims=claims,
                expires_at=expires,
                scheme="proxy",
            )
        )


def _field(name: str) -> bytes:
    return name.lower().encode("ascii")


def _single(headers: Fields, name: bytes) -> str:
    """The only value of a field; empty if there is none.

    Raises:
        AuthError: there are several: one of them is not the proxy's.
    """
    values = field_values(headers, name)
    if len(values) > 1:
        raise AuthError(f"there are several {name.decode()} fields")
    return _text(values[0]) if values else ""


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
