"""Options of a login: settings, arguments and presets, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from joserfc.jwk import Key

from fluxlit_auth.errors import AuthConfigError
from fluxlit_auth.keys import SIGNATURES
from fluxlit_auth.login.client_assertion import read_client_key
from fluxlit_auth.login.presets import PRESETS, Preset
from fluxlit_auth.metadata import Metadata

PLAIN = Preset()
NEEDED = (
    "Set it by FLUXLIT_{upper}, by {lower} in fluxlit.toml, or in code: OIDC({argument}=...). Without "
    "a provider, `fluxlit dev --login` lets you choose a user."
)


class LoginSettings(Protocol):
    """The settings of a login, described in `fluxlit.settings.Settings`."""

    root_path: str
    api_mount_path: str
    session_store: str | None
    secret_key: tuple[str, ...]
    oidc_issuer: str
    oidc_client_id: str
    oidc_client_secret: str
    oidc_client_key_file: str | None
    oidc_scopes: tuple[str, ...]
    oidc_roles_claims: tuple[str, ...]
    oidc_algorithms: tuple[str, ...]
    oidc_leeway_s: float
    oidc_logout_at_provider: bool
    oidc_metadata_url: str
    login_idle_timeout_s: float
    login_absolute_timeout_s: float

    # Read-only, because the settings have narrower types.
    @property
    def oidc_preset(self) -> str: ...  # noqa: D102
    @property
    def oidc_client_auth(self) -> str: ...  # noqa: D102
    @property
    def oidc_pushed_requests(self) -> str: ...  # noqa: D102
    @property
    def oidc_userinfo(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of `OIDC`. Settings take precedence."""

    issuer: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    preset: str = ""
    scopes: tuple[str, ...] = ()
    roles_claims: tuple[str, ...] = ()
    authorization_params: Mapping[str, str] = field(default_factory=dict)
    kept_claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoginOptions:
    """Everything about one client at one provider.

    Attributes:
        issuer: the provider.
        client_id: the client's name there.
        client_secret: its secret; empty with a key.
        client_key: its private key, for `private_key_jwt`.
        client_auth: how the client authenticates; ``auto`` for what the provider announces.
        preset: what is particular about the provider.
        metadata_url: where its metadata are; empty for the usual place.
        pushed_requests: whether authorization requests are pushed: ``auto``, ``off`` or ``required``.
        userinfo: whether UserInfo is asked: ``auto``, ``off`` or ``required``.
        scopes: requested scopes.
        roles_claims: where roles are in the claims.
        authorization_params: further parameters of authorization requests.
        kept_claims: claims that remain when a refresh omits them.
        algorithms: signatures that are accepted.
        leeway: seconds by which clocks may differ.
        logout_at_provider: a logout ends the session at the provider as well.
        idle: seconds until a login session that is not used ends.
        absolute: seconds until it ends in any case.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    client_key: Key | None = field(repr=False)
    client_auth: str
    preset: Preset
    metadata_url: str
    pushed_requests: str
    userinfo: str
    scopes: tuple[str, ...]
    roles_claims: tuple[str, ...]
    authorization_params: Mapping[str, str]
    kept_claims: tuple[str, ...]
    algorithms: tuple[str, ...]
    leeway: float
    logout_at_provider: bool
    idle: float
    absolute: float

    def algorithms_of(self, metadata: Metadata) -> list[str]:
        """Return the configured algorithms that a provider may use."""
        return [name for name in self.algorithms if name in (metadata.algorithms or {name})]


def read_options(settings: LoginSettings, given: Arguments) -> LoginOptions:
    """Puts settings, arguments and preset together.

    Raises:
        AuthConfigError: something is missing or contradicts something else.
    """
    preset = _preset(settings.oidc_preset or given.preset)
    client_id = _needed(settings.oidc_client_id or given.client_id, "oidc_client_id", "client_id")
    key = read_client_key(settings.oidc_client_key_file, by_certificate=preset.keys_by_certificate)
    secret = settings.oidc_client_secret or given.client_secret
    if key is None:
        # A backend for frontends is a confidential client (RFC 10017).
        _needed(secret, "oidc_client_secret", "client_secret")
    if settings.login_idle_timeout_s > settings.login_absolute_timeout_s:
        raise AuthConfigError("login_idle_timeout_s must not be longer than login_absolute_timeout_s.")
    claims = settings.oidc_roles_claims or given.roles_claims or preset.roles_claims
    params = {**preset.authorization_params, **given.authorization_params}
    return LoginOptions(
        issuer=_needed(settings.oidc_issuer or given.issuer or preset.issuer, "oidc_issuer", "issuer"),
        client_id=client_id,
        client_secret=secret,
        client_key=key,
        client_auth=_client_auth(settings.oidc_client_auth, secret, key),
        preset=preset,
        metadata_url=settings.oidc_metadata_url,
        pushed_requests=settings.oidc_pushed_requests,
        userinfo=preset.userinfo if settings.oidc_userinfo == "auto" else settings.oidc_userinfo,
        scopes=_scopes(settings.oidc_scopes or given.scopes or preset.scopes, preset),
        roles_claims=tuple(claim.replace("{client_id}", client_id) for claim in claims),
        authorization_params=_params(params),
        kept_claims=given.kept_claims,
        algorithms=_algorithms(settings.oidc_algorithms),
        leeway=settings.oidc_leeway_s,
        logout_at_provider=settings.oidc_logout_at_provider,
        idle=settings.login_idle_timeout_s,
        absolute=settings.login_absolute_timeout_s,
    )


OURS = frozenset(
    {
        *("client_id", "client_secret", "code_challenge", "code_challenge_method", "nonce", "redirect_uri"),
        *("request", "request_uri", "response_mode", "response_type", "scope", "state"),
    }
)
"""Parameters of an authorization request on which the safety of the flow rests."""


def _params(params: Mapping[str, Any]) -> Mapping[str, str]:
    for name in params:
        if name in OURS:
            raise AuthConfigError(f"OIDC(authorization_params=...) must not hold {name}: FluxLit sets that itself.")
    return {name: str(value) for name, value in params.items()}


def _preset(name: str) -> Preset:
    if name and name not in PRESETS:
        raise AuthConfigError(f"There is no preset {name!r}; there are {', '.join(sorted(PRESETS))}.")
    return PRESETS.get(name, PLAIN)


def _needed(value: str, setting: str, argument: str) -> str:
    if not value:
        how = NEEDED.format(upper=setting.upper(), lower=setting, argument=argument)
        raise AuthConfigError(f"Login by OpenID Connect needs {setting}. {how}")
    return value


def _client_auth(method: str, secret: str, key: Key | None) -> str:
    if method == "private_key_jwt" and key is None:
        raise AuthConfigError("oidc_client_auth is private_key_jwt, which needs oidc_client_key_file.")
    if method.startswith("client_secret_") and not secret:
        raise AuthConfigError(f"oidc_client_auth is {method}, which needs oidc_client_secret.")
    return method


def _scopes(scopes: Sequence[str], preset: Preset) -> tuple[str, ...]:
    # Without openid there is no ID token, and no login (OpenID Connect Core section 3.1.2.1).
    return tuple(scopes) if preset.known or "openid" in scopes else ("openid", *scopes)


def _algorithms(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name not in SIGNATURES:
            raise AuthConfigError(
                f"oidc_algorithms holds {name!r}; signatures that only the provider can make are "
                f"{', '.join(SIGNATURES)}."
            )
    return tuple(names) or tuple(SIGNATURES)
