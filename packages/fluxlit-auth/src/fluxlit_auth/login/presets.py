"""Presets: defaults for well-known providers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fluxlit_auth.metadata import Metadata


@dataclass(frozen=True, slots=True)
class Preset:
    """The defaults for one provider.

    Attributes:
        source: documentation that the values come from.
        checked: date on which they were last compared with it.
        hosts: pattern of the hosts in its issuers; empty if there is none.
        issuer: if all its customers have the same one.
        known: its metadata, if it publishes none; such a provider has OAuth 2.0 without ID tokens.
        metadata_url: metadata of a provider with `known`, for a comparison only.
        scopes: requested scopes.
        roles_claims: claims with groups or roles; ``{client_id}`` is replaced.
        authorization_params: further parameters of authorization requests.
        userinfo: whether UserInfo is asked: ``auto``, ``off`` or ``required``.
        emails_url: where a provider with `known` lists the addresses of the user; UserInfo lacks private ones.
        subject_claim: claim with the permanent identifier of the user.
        name_claims: claims with the display name, best first.
        assertion_audience: ``issuer`` or ``endpoint``: audience of a `private_key_jwt`.
        keys_by_certificate: whether a client's key is found by its certificate, and RSA signatures use PSS.
        revokes_token_only: whether the revocation of a refresh token leaves the user's other logins alone.
        logout_parameter: name of the parameter of a logout with the address to return to.
        logout_state: a logout returns with the state that it was sent.
    """

    source: str = ""
    checked: str = ""
    hosts: str = ""
    issuer: str = ""
    metadata_url: str = ""
    known: Metadata | None = None
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    roles_claims: tuple[str, ...] = ("roles", "groups")
    authorization_params: Mapping[str, str] = field(default_factory=dict)
    userinfo: str = "auto"
    emails_url: str = ""
    subject_claim: str = "sub"
    name_claims: tuple[str, ...] = ("name", "preferred_username", "nickname")
    assertion_audience: str = "issuer"
    keys_by_certificate: bool = False
    revokes_token_only: bool = True
    logout_parameter: str = "post_logout_redirect_uri"
    logout_state: bool = True


CHECKED = "2026-11-29"

PRESETS: Mapping[str, Preset] = {
    # Its userinfo endpoint is Microsoft Graph's and has less than the ID token.
    "entra": Preset(
        source="https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference",
        checked=CHECKED,
        hosts=r"login\.microsoftonline\.(com|us)|login\.partner\.microsoftonline\.cn",
        scopes=("openid", "profile", "email", "offline_access"),
        userinfo="off",
        assertion_audience="endpoint",
        # https://learn.microsoft.com/entra/identity-platform/certificate-credentials
        keys_by_certificate=True,
    ),
    # A refresh token comes with access_type=offline only, and has no scope of its own. Its revocation takes the user's
    # consent back: https://developers.google.com/identity/protocols/oauth2/web-server#tokenrevoke
    "google": Preset(
        source="https://developers.google.com/identity/openid-connect/openid-connect#authenticationuriparameters",
        checked=CHECKED,
        hosts=r"accounts\.google\.com",
        issuer="https://accounts.google.com",
        roles_claims=(),
        authorization_params={"access_type": "offline"},
        userinfo="off",
        revokes_token_only=False,
    ),
    # With the code flow most claims, groups too, are at the userinfo endpoint.
    "okta": Preset(
        source="https://developer.okta.com/docs/api/openapi/okta-oauth/guides/overview/",
        checked=CHECKED,
        hosts=r".+\.okta(preview)?\.com",
        scopes=("openid", "profile", "email", "groups", "offline_access"),
        roles_claims=("groups",),
        assertion_audience="endpoint",
    ),
    # Claims of one's own have names that are URLs; which one holds roles is the tenant's choice.
    "auth0": Preset(
        source="https://auth0.com/docs/secure/tokens/json-web-tokens/create-custom-claims",
        checked=CHECKED,
        hosts=r".+\.auth0\.com",
        scopes=("openid", "profile", "email", "offline_access"),
        roles_claims=("roles", "permissions"),
    ),
    # Client scopes "roles" and "groups".
    "keycloak": Preset(
        source="https://www.keycloak.org/docs/latest/server_admin/",
        checked=CHECKED,
        roles_claims=("realm_access.roles", "resource_access.{client_id}.roles", "groups"),
    ),
    # Its logout knows client_id and logout_uri alone, and returns without state. UserInfo has no groups.
    "cognito": Preset(
        source="https://docs.aws.amazon.com/cognito/latest/developerguide/logout-endpoint.html",
        checked=CHECKED,
        hosts=r"cognito-idp\..+\.amazonaws\.com",
        roles_claims=("cognito:groups",),
        name_claims=("name", "preferred_username", "cognito:username"),
        logout_parameter="logout_uri",
        logout_state=False,
    ),
    # OAuth 2.0 without OpenID Connect: its metadata are for other clients and name no UserInfo. It sends `iss` since
    # April 2026. https://docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
    "github": Preset(
        source="https://docs.github.com/apps/github-authentication-discovery-endpoints",
        checked=CHECKED,
        hosts=r"github\.com",
        issuer="https://github.com/login/oauth",
        metadata_url="https://github.com/login/oauth/.well-known/openid-configuration",
        known=Metadata(
            issuer="https://github.com/login/oauth",
            authorization_endpoint="https://github.com/login/oauth/authorize",
            token_endpoint="https://github.com/login/oauth/access_token",  # noqa: S106 - an address
            userinfo_endpoint="https://api.github.com/user",
            auth_methods=frozenset({"client_secret_post"}),
        ),
        scopes=("read:user", "user:email"),
        roles_claims=(),
        userinfo="required",
        emails_url="https://api.github.com/user/emails",
        subject_claim="id",
        name_claims=("name", "login"),
    ),
}
