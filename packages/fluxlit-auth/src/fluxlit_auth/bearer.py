"""`JWTBearer`: authenticates programs by signed JWTs (RFC 6750, RFC 9068)."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import HTTPException
from fastapi.openapi.models import HTTPBearer as BearerModel
from fastapi.requests import HTTPConnection
from fastapi.security.base import SecurityBase
from starlette.types import Scope

from fluxlit.auth.contract import NonInteractiveAuthenticator, Problem, User, Verdict
from fluxlit_auth.access_token import check, claimed_issuer
from fluxlit_auth.claims import non_empty_string, strings, strings_at
from fluxlit_auth.errors import AuthConfigError, ProviderUnavailable, TokenRefused
from fluxlit_auth.http_client import HttpClient, checked_url
from fluxlit_auth.jws import verify
from fluxlit_auth.keys import SECRETS, SIGNATURES, FixedKeys, Keys, RemoteKeys
from fluxlit_auth.provider import Provider

DEFAULT_ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
MIN_SECRET_BYTES = 32
"""A secret for HS256 has at least the size of its hash (RFC 7518 section 3.2)."""
MAX_TOKEN = 16_384
MAX_LEEWAY_S = 300.0


@dataclass(frozen=True)
class TokenIssuer:
    """An issuer of accepted tokens.

    Attributes:
        issuer: its identifier, exactly as in `iss`.
        audience: this API's name in `aud`; one name or several.
        jwks_url: URL of its keys; by default, and without a secret, found in its OpenID metadata.
        secret: a secret shared with it, for HS256, HS384 and HS512; at least 32 bytes.
        algorithms: accepted signature algorithms; by default the usual public-key ones, or HS256 for a secret.
    """

    issuer: str
    audience: str | tuple[str, ...]
    jwks_url: str | None = None
    secret: str | None = field(default=None, repr=False)
    algorithms: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        strings(self.issuer, "issuer")
        strings(self.audience, "audience")
        if self.secret is not None and self.jwks_url is not None:
            raise AuthConfigError(f"issuer {self.issuer}: give a secret or a jwks_url, not both")
        if self.secret is not None and len(self.secret.encode()) < MIN_SECRET_BYTES:
            raise AuthConfigError(f"issuer {self.issuer}: a secret needs at least {MIN_SECRET_BYTES} bytes")
        # One kind only: a public key must never be taken for a secret (RFC 8725 section 2.1).
        known = SECRETS if self.secret is not None else SIGNATURES
        for each in self.accepted:
            if each not in known:
                raise AuthConfigError(f"issuer {self.issuer}: algorithm {each!r} is none of {', '.join(known)}")

    @property
    def accepted(self) -> tuple[str, ...]:
        """The accepted algorithms."""
        return self.algorithms or (("HS256",) if self.secret is not None else DEFAULT_ALGORITHMS)

    def keys(self, web: HttpClient) -> Keys:
        """Return its keys."""
        if self.secret is not None:
            return FixedKeys.of_secret(self.secret)
        if self.jwks_url is not None:
            return RemoteKeys(checked_url(self.jwks_url, "jwks_url", plain=True), web)
        return Provider(self.issuer, web).keys


class JWTBearer(NonInteractiveAuthenticator, SecurityBase):
    """Authenticates programs by `Authorization: Bearer <JWT>`.

    As an authenticator of FluxLit, `FluxLit(auth=[oidc, bearer])`, and as a dependency of any FastAPI application:

    ```python
    bearer = JWTBearer(TokenIssuer("https://login.example", audience="orders"))

    @api.get("/orders", dependencies=[Depends(bearer.requires(scopes={"orders:read"}))])
    def orders(): ...
    ```

    The status is 401 for an invalid token and 403 for a missing scope or role, both with WWW-Authenticate (RFC 6750
    section 3), and 503 if the issuer's keys cannot be fetched.

    Args:
        *issuers: issuers of accepted tokens.
        scopes: all of these must be in `scope` or `scp`.
        roles: the user must have one of these.
        roles_claim: claim with the roles; a nested claim is written with dots.
        leeway: seconds by which clocks may differ.
        realm: name of the protected area, for WWW-Authenticate.
        scheme_name: name of the security scheme in the OpenAPI document.
        web: HTTP client for issuers.
        clock: seconds since the epoch.

    Raises:
        AuthConfigError: the configuration is contradictory.
    """

    def __init__(
        self,
        *issuers: TokenIssuer,
        scopes: Collection[str] = (),
        roles: Collection[str] = (),
        roles_claim: str = "roles",
        leeway: float = 30.0,
        realm: str = "api",
        scheme_name: str = "JWTBearer",
        web: HttpClient | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not issuers:
            raise AuthConfigError("JWTBearer needs at least one TokenIssuer")
        if len({each.issuer for each in issuers}) < len(issuers):
            raise AuthConfigError("JWTBearer: an issuer is named twice; give it several audiences instead")
        if not 0 <= leeway <= MAX_LEEWAY_S:
            raise AuthConfigError(f"JWTBearer: leeway must be between 0 and {MAX_LEEWAY_S:g} seconds")
        if any(mark in realm for mark in '"\\\r\n'):
            raise AuthConfigError("JWTBearer: realm must not contain quotes, backslashes or line breaks")
        self._web = web or HttpClient()
        self._issuers = {each.issuer: (each, each.keys(self._web)) for each in issuers}
        self._scopes, self._roles = frozenset(scopes), frozenset(roles)
        self._roles_claim, self._leeway, self._realm, self._clock = roles_claim, leeway, realm, clock
        self.model = BearerModel(bearerFormat="JWT")
        self.scheme_name = scheme_name

    def requires(self, *, scopes: Collection[str] = (), roles: Collection[str] = ()) -> JWTBearer:
        """Return an authenticator with more requirements, for single routes.

        It shares the keys of this one.
        """
        other = copy.copy(self)
        other._scopes = self._scopes | frozenset(scopes)  # noqa: SLF001  # a copy of this class
        other._roles = frozenset(roles) or self._roles  # noqa: SLF001
        return other

    async def __call__(self, connection: HTTPConnection) -> User:
        """Return the user of a request, as a dependency of FastAPI.

        Raises:
            HTTPException: 401, 403 or 503.
        """
        verdict = await self.authenticate(connection.scope)
        if verdict.user is not None:
            return verdict.user
        problem = verdict.problem or Problem(401, "A bearer token is required.", self.challenge())
        headers = {"WWW-Authenticate": problem.challenge} if problem.challenge else None
        raise HTTPException(problem.status, problem.detail, headers)

    async def authenticate(self, scope: Scope) -> Verdict:
        """Authenticate a request. Never raises."""
        values = [value for name, value in scope["headers"] if name == b"authorization"]
        token = _token(values[0]) if len(values) == 1 else None
        if len(values) > 1:
            return self._refused("the Authorization header is repeated")
        if token is None:
            return Verdict()
        try:
            return await self._verdict(token)
        except TokenRefused as refused:
            return self._refused(str(refused))
        except (ProviderUnavailable, AuthConfigError):
            return Verdict(problem=Problem(503, "The issuer's keys are unavailable. Try again in a few seconds."))

    async def stop(self) -> None:
        """Close connections."""
        await self._web.close()

    def challenge(self) -> str:
        """Value of WWW-Authenticate without a token (RFC 6750 section 3)."""
        return f'Bearer realm="{self._realm}"'

    def security_schemes(self) -> Mapping[str, Mapping[str, Any]]:
        """The scheme for the OpenAPI document."""
        return {self.scheme_name: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}

    async def _verdict(self, token: str) -> Verdict:
        if len(token) > MAX_TOKEN:
            raise TokenRefused("format", "the token is too long")
        known = self._issuers.get(claimed_issuer(token))
        if known is None:
            raise TokenRefused("iss", "the token comes from an issuer that is not accepted")
        issuer, keys = known
        verified = await verify(token, keys, issuer.accepted)
        audiences = strings(issuer.audience, "audience")
        expires = check(verified, issuer=issuer.issuer, audiences=audiences, now=self._clock(), leeway=self._leeway)
        return self._permitted(_user(verified.claims, issuer.issuer, expires, self._roles_claim))

    def _permitted(self, user: User) -> Verdict:
        scopes = strings_at(user.claims, "scope") | strings_at(user.claims, "scp")
        if not self._scopes <= scopes:
            wanted = " ".join(sorted(self._scopes))
            challenge = f'{self.challenge()}, error="insufficient_scope", scope="{wanted}"'
            return Verdict(problem=Problem(403, f"The token lacks a scope; required: {wanted}.", challenge))
        if self._roles and not self._roles & user.roles:
            challenge = f'{self.challenge()}, error="insufficient_scope"'
            wanted = " or ".join(sorted(self._roles))
            return Verdict(problem=Problem(403, f"The token lacks a role; required: {wanted}.", challenge))
        return Verdict(user)

    def _refused(self, reason: str) -> Verdict:
        challenge = f'{self.challenge()}, error="invalid_token", error_description="{reason}"'
        return Verdict(problem=Problem(401, f"The bearer token is refused: {reason}.", challenge))


def _token(value: bytes) -> str | None:
    """Return the token of an Authorization header; `None` for another scheme."""
    scheme, _, rest = value.decode("latin-1").strip().partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else None


def _user(claims: Mapping[str, Any], issuer: str, expires: float, roles_claim: str) -> User:
    names = (non_empty_string(claims.get(name)) for name in ("sub", "client_id", "azp"))
    subject = next((name for name in names if name), None)
    if subject is None:
        raise TokenRefused("sub", "the token names no user")
    return User(
        subject=subject,
        issuer=issuer,
        name=non_empty_string(claims.get("name")),
        email=non_empty_string(claims.get("email")),
        roles=strings_at(claims, roles_claim),
        claims=claims,
        expires_at=expires,
        scheme="bearer",
    )
