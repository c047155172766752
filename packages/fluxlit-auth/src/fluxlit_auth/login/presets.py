"""Presets: defaults for well-known providers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fluxlit_auth.metadata import Metadata


@dataclass(frozen=True, slots=True)
class Preset:
    """The defaults for one provider.

    Attributes:
        issuer: if all its customers have the same one.
        known: its metadata, if it publishes none; such a provider has OAuth 2.0 without ID tokens.
        scopes: requested scopes.
        roles_claims: claims with groups or roles; ``{client_id}`` is replaced.
        authorization_params: further parameters of authorization requests.
        userinfo: UserInfo may have claims that the ID token lacks.
        subject_claim: claim with the permanent identifier of the user.
        name_claims: claims with the display name, best first.
        assertion_audience: ``issuer`` or ``endpoint``: audience of a `private_key_jwt`.
    """

    issuer: str = ""
    known: Metadata | None = None
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    roles_claims: tuple[str, ...] = ("roles", "groups")
    authorization_params: Mapping[str, str] = field(default_factory=dict)
    userinfo: bool = True
    subject_claim: str = "sub"
    name_claims: tuple[str, ...] = ("name", "preferred_username", "nickname")
    assertion_audience: str = "issuer"


PRESETS: Mapping[str, Preset] = {
    # Its userinfo endpoint is Microsoft Graph's and has less than the ID token.
    # https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference
    "entra": Preset(
        scopes=("openid", "profile", "email", "offline_access"), userinfo=False, assertion_audience="endpoint"
    ),
    # A refresh token comes with access_type=offline only, and has no scope of its own.
    # https://developers.google.com/identity/openid-connect/openid-connect#authenticationuriparameters
    "google": Preset(
        issuer="https://accounts.google.com",
        roles_claims=(),
        authorization_params={"access_type": "offline"},
        userinfo=False,
    ),
    # With the code flow most claims, groups too, are at the userinfo endpoint.
    # https://developer.okta.com/docs/api/openapi/okta-oauth/guides/overview/
    "okta": Preset(
        scopes=("openid", "profile", "email", "groups", "offline_access"),
        roles_claims=("groups",),
        assertion_audience="endpoint",
    ),
    # Claims of one's own have names that are URLs; which one holds roles is the tenant's choice.
    # https://auth0.com/docs/secure/tokens/json-web-tokens/create-custom-claims
    "auth0": Preset(scopes=("openid", "profile", "email", "offline_access"), roles_claims=("roles", "permissions")),
    # https://www.keycloak.org/docs/latest/server_admin/ (client scopes "roles" and "groups")
    "keycloak": Preset(roles_claims=("realm_access.roles", "resource_access.{client_id}.roles", "groups")),
    # OAuth 2.0 without OpenID Connect; PKCE is taken since July 2025.
    # https://docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
    "github": Preset(
        issuer="https://github.com",
        known=Metadata(
            issuer="https://github.com",
            authorization_endpoint="https://github.com/login/oauth/authorize",
            token_endpoint="https://github.com/login/oauth/access_token",  # noqa: S106 - an address
            userinfo_endpoint="https://api.github.com/user",
            auth_methods=frozenset({"client_secret_post"}),
        ),
        scopes=("read:user", "user:email"),
        roles_claims=(),
        subject_claim="id",
        name_claims=("name", "login"),
    ),
}
