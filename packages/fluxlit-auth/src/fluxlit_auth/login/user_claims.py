"""The claims of a user: ID token, UserInfo, and their login."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fluxlit_auth.claims import email, first_string, roles
from fluxlit_auth.errors import ProviderUnavailable, RequestRefused, TokenRefused
from fluxlit_auth.id_token import Expected, check_audience, check_id_token, check_issuer
from fluxlit_auth.jws import verify
from fluxlit_auth.login.context import LoginContext
from fluxlit_auth.login.login_session import Login
from fluxlit_auth.login.oauth_client import Tokens
from fluxlit_auth.metadata import Metadata

logger = logging.getLogger("fluxlit_auth")

SIGNED = "application/jwt"

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
    context: LoginContext,
    metadata: Metadata,
    tokens: Tokens,
    id_claims: Mapping[str, Any],
    *,
    had_some: bool = False,
) -> dict[str, Any]:
    """Return the claims of UserInfo (Core section 5.3).

    Many providers announce a UserInfo that their tokens do not open, and have everything in the ID token. So the claims
    are empty after a refusal, unless `LoginOptions.userinfo` requires them.

    Args:
        context: services of the login.
        metadata: of the provider.
        tokens: response of the token endpoint.
        id_claims: claims of the ID token.
        had_some: UserInfo has responded to this login before, so a refusal now is an outage.

    Raises:
        TokenRefused: UserInfo describes another subject, or its signature is not valid.
        ProviderUnavailable: UserInfo does not respond, or is required and refused.
    """
    options = context.options
    if options.userinfo == "off":
        return {}
    if not metadata.userinfo_endpoint:
        if options.userinfo == "required":
            raise ProviderUnavailable(f"{metadata.issuer} has no UserInfo, which oidc_userinfo requires")
        return {}
    try:
        found = await _userinfo(context, metadata, tokens.access_token)
    except RequestRefused as refused:
        if had_some or options.userinfo == "required":
            raise
        logger.warning("UserInfo refused: %s. Only the ID token is used; oidc_userinfo=off asks no more", refused)
        return {}
    if not metadata.jwks_uri:
        return found
    if found.get("sub") != id_claims["sub"]:
        raise TokenRefused("userinfo", "UserInfo describes another subject than the ID token")
    return {name: value for name, value in found.items() if name not in PROTOCOL}


async def _userinfo(context: LoginContext, metadata: Metadata, access_token: str) -> dict[str, Any]:
    """Fetch UserInfo: JSON, or a signed token (Core section 5.3.2)."""
    what, accept = "UserInfo", f"application/json, {SIGNED};q=0.9"
    response = await context.http.get(metadata.userinfo_endpoint, what, bearer=access_token, accept=accept)
    if response.content_type == SIGNED:
        options, text = context.options, response.body.decode("ascii", "replace").strip()
        # Its algorithm is an agreement of its own, so that of ID tokens does not limit it.
        found = (await verify(text, context.provider.keys, options.algorithms)).claims
        check_issuer({"iss": metadata.issuer, **found}, metadata.issuer)
        check_audience({"aud": options.client_id, **found}, options.client_id)
    else:
        found = response.document(what)
    if context.options.preset.emails_url and not found.get("email"):
        found["email"] = await _primary_email(context, access_token)
    return found


async def _primary_email(context: LoginContext, access_token: str) -> str | None:
    """Return the verified main address; `None` without the permission for it."""
    url, what = context.options.preset.emails_url, "the user's addresses"
    try:
        response = await context.http.get(url, what, bearer=access_token)
    except RequestRefused:
        return None
    found = (each for each in response.members(what) if isinstance(each, dict))
    return next((each.get("email") for each in found if each.get("primary") and each.get("verified") is True), None)


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
