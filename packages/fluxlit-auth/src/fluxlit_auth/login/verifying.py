"""From tokens to a login: the ID token checked, the user described."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fluxlit_auth.errors import TokenRefused
from fluxlit_auth.id_token import Expected, check_id_token
from fluxlit_auth.jws import verify
from fluxlit_auth.login.attempts import Attempt
from fluxlit_auth.login.claims import email, first_text, roles
from fluxlit_auth.login.client import Tokens
from fluxlit_auth.login.logins import Login
from fluxlit_auth.login.options import Options
from fluxlit_auth.login.stores import WALL, Clock
from fluxlit_auth.provider import Provider
from fluxlit_auth.web import Web

# What an ID token says about itself and its login. Nothing of it may come from the userinfo endpoint instead.
PROTOCOL = frozenset(
    {"iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "at_hash", "c_hash", "sid", "auth_time", "acr", "amr"}
)
HIDDEN = frozenset({"at_hash", "c_hash", "nonce"})
"""Claims that are of no use after the check."""


class Verifier:
    """Judges what a provider says about a user.

    Args:
        options: of the client.
        provider: whose word it is.
        web: the way there.
        clock: seconds since the epoch.
    """

    def __init__(self, options: Options, provider: Provider, web: Web, clock: Clock = WALL) -> None:
        self._options, self._provider, self._web, self._clock = options, provider, web, clock

    async def of_login(self, tokens: Tokens, attempt: Attempt, code: str) -> dict[str, Any]:
        """The claims of the ID token of a login.

        Raises:
            TokenRefused: it is not what it has to be.
            ProviderUnavailable: the keys cannot be had.
        """
        return await self._claims(tokens, nonce=attempt.nonce, code=code)

    async def of_refresh(self, tokens: Tokens, subject: str) -> dict[str, Any] | None:
        """The claims of the ID token of a refresh; `None` if there is none (OpenID Connect Core section 12.2).

        Raises:
            TokenRefused, ProviderUnavailable: as for `of_login`.
        """
        return None if tokens.id_token is None else await self._claims(tokens, subject=subject)

    async def _claims(self, tokens: Tokens, **particular: str) -> dict[str, Any]:
        if tokens.id_token is None:
            raise TokenRefused("id_token", "the provider sent no ID token; the scope openid has to be allowed")
        metadata = await self._provider.metadata()
        allowed = [name for name in self._options.algorithms if name in (metadata.algorithms or {name})]
        token = await verify(tokens.id_token, self._provider.keys, allowed)
        expected = Expected(
            issuer=self._provider.issuer,
            client_id=self._options.client_id,
            now=self._clock(),
            leeway=self._options.leeway,
            access_token=tokens.access_token,
            **particular,
        )
        check_id_token(token, expected)
        return token.claims

    async def completed(self, claims: Mapping[str, Any], tokens: Tokens) -> dict[str, Any]:
        """The claims with what the userinfo endpoint adds (OpenID Connect Core section 5.3.2).

        Raises:
            TokenRefused: it speaks of somebody else.
            ProviderUnavailable: it does not answer.
        """
        url = (await self._provider.metadata()).userinfo_endpoint
        found = await self._web.document(url, "the userinfo endpoint", bearer=tokens.access_token)
        if self._options.preset.known is not None:
            return found
        if found.get("sub") != claims["sub"]:
            raise TokenRefused("userinfo", "the userinfo endpoint speaks of somebody else")
        return {**{name: value for name, value in found.items() if name not in PROTOCOL}, **claims}

    async def wants_userinfo(self) -> bool:
        """Whether the userinfo endpoint may know more than the ID token.

        Raises:
            ProviderUnavailable: the metadata cannot be had.
        """
        return self._options.preset.userinfo and bool((await self._provider.metadata()).userinfo_endpoint)

    def login(self, claims: Mapping[str, Any], tokens: Tokens) -> Login:
        """The login of whom the claims describe.

        Raises:
            TokenRefused: they do not say who it is.
        """
        preset = self._options.preset
        subject = claims.get(preset.subject_claim)
        if isinstance(subject, bool) or not isinstance(subject, (str, int)) or not str(subject):
            raise TokenRefused("sub", "the provider does not say who logged in")
        sid = claims.get("sid")
        return Login(
            issuer=self._provider.issuer,
            subject=str(subject),
            name=first_text(claims, preset.name_claims),
            email=email(claims),
            roles=roles(claims, self._options.roles_claims),
            claims={name: value for name, value in claims.items() if name not in HIDDEN},
            sid=sid if isinstance(sid, str) and sid else None,
            id_token=tokens.id_token,
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            token_ends=None if tokens.expires_in is None else self._clock() + tokens.expires_in,
        )
