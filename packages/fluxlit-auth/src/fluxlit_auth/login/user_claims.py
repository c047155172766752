"""The claims of a user: ID token, UserInfo, and their login."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fluxlit_auth.claims import email, first_string, roles
from fluxlit_auth.errors import TokenRefused
from fluxlit_auth.id_token import Expected, check_id_token
from fluxlit_auth.jws import verify
from fluxlit_auth.login.context import LoginContext
from fluxlit_auth.login.login_session import Login
from fluxlit_auth.login.oauth_client import Tokens
from fluxlit_auth.metadata import Metadata

# What an ID token states about itself and its login. UserInfo must not replace any of it.
PROTOCOL = frozenset(
    {"iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "at_hash", "c_hash", "sid", "auth_time", "acr", "amr"}
)
# Of no use after verification.
HIDDEN = frozenset({"at_hash", "c_hash", "nonce"})


async def verified_claims(context: LoginContext, metadata: Metadata, tokens: Tokens, **expected: str) -> dict[str, Any]:
    """Verify the ID token among tokens; return its claims.

    Args:
        context: services of the login.
        metadata: of the provider.
        tokens: response of the token endpoint.
        **expected: `nonce` and `code` of a login, or the `subject` of a refreshed one.

    Raises:
        TokenRefused: there is no ID token, or it is not valid.
        ProviderUnavailable: the provider's keys cannot be fetched.
    """
    if tokens.id_token is None:
        raise TokenRefused("id_token", "token response without ID token; the client needs the scope openid")
    options = context.options
    token = await verify(tokens.id_token, context.provider.keys, options.algorithms_of(metadata))
    check_id_token(
        token,
        Expected(
            issuer=metadata.issuer,
            client_id=options.client_id,
            now=context.clock(),
            leeway=options.leeway,
            access_token=tokens.access_token,
            **expected,
        ),
    )
    return token.claims


async def userinfo_claims(
    context: LoginContext, metadata: Metadata, tokens: Tokens, id_claims: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the claims of UserInfo, if any (Core section 5.3.2).

    Raises:
        TokenRefused: UserInfo describes another subject.
        ProviderUnavailable: UserInfo does not respond.
    """
    if not context.options.preset.userinfo or not metadata.userinfo_endpoint:
        return {}
    found = await context.http.document(metadata.userinfo_endpoint, "UserInfo", bearer=tokens.access_token)
    if not metadata.jwks_uri:
        return found
    if found.get("sub") != id_claims["sub"]:
        raise TokenRefused("userinfo", "UserInfo describes another subject than the ID token")
    return {name: value for name, value in found.items() if name not in PROTOCOL}


def login_of(context: LoginContext, id_claims: Mapping[str, Any], userinfo: Mapping[str, Any], tokens: Tokens) -> Login:
    """Return the login that claims describe.

    Raises:
        TokenRefused: they do not name the user.
    """
    options = context.options
    claims = {**userinfo, **id_claims}
    subject = claims.get(options.preset.subject_claim)
    if isinstance(subject, bool) or not isinstance(subject, (str, int)) or not str(subject):
        raise TokenRefused("sub", f"the claim {options.preset.subject_claim} does not name the user")
    sid = claims.get("sid")
    return Login(
        issuer=context.provider.issuer,
        subject=str(subject),
        name=first_string(claims, options.preset.name_claims),
        email=email(claims),
        roles=roles(claims, options.roles_claims),
        id_claims={name: value for name, value in id_claims.items() if name not in HIDDEN},
        userinfo=userinfo,
        sid=sid if isinstance(sid, str) and sid else None,
        id_token=tokens.id_token,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        token_ends=None if tokens.expires_in is None else context.clock() + tokens.expires_in,
    )
