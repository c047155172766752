"""Users that a proxy has authenticated, such as oauth2-proxy.

Such a proxy sends the user in request headers, which any client can send as well. So they are accepted only when the
connection comes from a proxy that the operator trusts: `trust_proxy` is on, and its address is in
`forwarded_allow_ips`. The gateway removes them from all other connections.

Signatures are verified as well. That also protects against a client that reaches the gateway past the network's rules,
but does not have the proxy's key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from starlette.types import Scope

from fluxlit.auth.contract import PEER, AuthContext, NonInteractiveAuthenticator, Peer, Problem, User, Verdict
from fluxlit_auth.errors import AuthConfigError, AuthError, ProviderUnavailable
from fluxlit_auth.http_client import HttpClient
from fluxlit_auth.identity_headers import Assertion, ClientPrincipal, IdentityHeaders, PlainFields
from fluxlit_auth.load_balancer import LoadBalancerData

SOCKET_S = 3600.0


class TrustedProxy(NonInteractiveAuthenticator):
    """Authenticates users by the identity headers of a trusted proxy.

    Args:
        statement: its headers: `PlainFields`, `Assertion`, `LoadBalancerData` or `ClientPrincipal`. There are class
            methods for well-known proxies.
        socket_lifetime_s: seconds for which a WebSocket stays open on one signed assertion, which itself often lasts
            for minutes only. After that, or half of it if the user is active, the browser connects again, and the
            proxy authenticates the user again.
        web: HTTP client for the proxy's keys.
        clock: seconds since the epoch.

    Raises:
        AuthConfigError: the configuration is contradictory.
    """

    def __init__(
        self,
        statement: IdentityHeaders | None = None,
        *,
        socket_lifetime_s: float = SOCKET_S,
        web: HttpClient | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._web = web or HttpClient()
        self._headers: IdentityHeaders = statement if statement is not None else PlainFields()
        self._reader = self._headers.reader(self._web)
        self._lifetime, self._clock = socket_lifetime_s, clock

    # Well-known proxies.

    @classmethod
    def oauth2_proxy(cls, *, auth_request: bool = False, **options: Any) -> TrustedProxy:
        """oauth2-proxy with ``--pass-user-headers``, in front or behind nginx.

        https://oauth2-proxy.github.io/oauth2-proxy/configuration/overview

        Args:
            auth_request: use the headers of ``--set-xauthrequest``, which nginx passes on.
            **options: of `TrustedProxy`.
        """
        begin = "X-Auth-Request" if auth_request else "X-Forwarded"
        fields = PlainFields(
            user=f"{begin}-User",
            email=f"{begin}-Email",
            name=f"{begin}-Preferred-Username",
            groups=f"{begin}-Groups",
            secrets=(f"{begin}-Access-Token",),
            cookies=("_oauth2_proxy*",),
        )
        return cls(fields, **options)

    @classmethod
    def cloudflare_access(cls, team: str, audience: str | tuple[str, ...], **options: Any) -> TrustedProxy:
        """Cloudflare Access.

        https://developers.cloudflare.com/cloudflare-one/identity/authorization-cookie/validating-json/

        Args:
            team: name of the team, as in ``team.cloudflareaccess.com``.
            audience: the application's AUD tag, or several.
            **options: of `TrustedProxy`.
        """
        base = f"https://{team}.cloudflareaccess.com"
        assertion = Assertion(
            "Cf-Access-Jwt-Assertion",
            base,
            audience,
            f"{base}/cdn-cgi/access/certs",
            secrets=("Cf-Access-Authenticated-User-Email",),
            cookies=("CF_Authorization",),
        )
        return cls(assertion, **options)

    @classmethod
    def pomerium(cls, host: str, **options: Any) -> TrustedProxy:
        """Pomerium, with ``pass_identity_headers``.

        https://www.pomerium.com/docs/capabilities/getting-users-identity

        Args:
            host: public host name of the route: issuer and audience of its JWTs.
            **options: of `TrustedProxy`.
        """
        keys = f"https://{host}/.well-known/pomerium/jwks.json"
        assertion = Assertion("X-Pomerium-Jwt-Assertion", host, host, keys, cookies=("_pomerium*",))
        return cls(assertion, **options)

    @classmethod
    def google_iap(cls, audience: str | tuple[str, ...], **options: Any) -> TrustedProxy:
        """Google's Identity-Aware Proxy.

        https://cloud.google.com/iap/docs/signed-headers-howto

        Args:
            audience: ``/projects/NUMBER/global/backendServices/ID`` or ``/projects/NUMBER/apps/ID``.
            **options: of `TrustedProxy`.
        """
        assertion = Assertion(
            "X-Goog-IAP-JWT-Assertion",
            "https://cloud.google.com/iap",
            audience,
            "https://www.gstatic.com/iap/verify/public_key-jwk",
            algorithms=("ES256",),
            secrets=("X-Goog-Authenticated-User-Email", "X-Goog-Authenticated-User-Id"),
            cookies=("GCP_IAP*", "__Host-GCP_IAP*"),
        )
        return cls(assertion, **options)

    @classmethod
    def aws_alb(
        cls,
        load_balancers: str | tuple[str, ...],
        *,
        client_id: str | None = None,
        keys_url: str | None = None,
        roles_claim: str = "groups",
        **options: Any,
    ) -> TrustedProxy:
        """An AWS Application Load Balancer that authenticates users.

        Its listener has an ``authenticate-oidc`` or ``authenticate-cognito`` action.

        Args:
            load_balancers: its ARN, or those of several in one region.
            client_id: if given, the OAuth client for which it authenticates users.
            keys_url: URL of the keys, without a key name; by default that of the region in the ARN.
            roles_claim: claim of the provider with the roles; for Cognito ``cognito:groups``.
            **options: of `TrustedProxy`.
        """
        return cls(LoadBalancerData(load_balancers, client_id, keys_url, roles_claim), **options)

    @classmethod
    def azure_easy_auth(cls, **options: Any) -> TrustedProxy:
        """Azure's built-in authentication, of App Service and Container Apps.

        Its headers are not signed: the platform guarantees that clients cannot send them.

        Args:
            **options: of `TrustedProxy`.
        """
        return cls(ClientPrincipal(), **options)

    # Lifecycle.

    def bind(self, context: AuthContext) -> None:
        """Refuse to run without a trusted proxy: no login could succeed.

        Raises:
            AuthConfigError: `trust_proxy` is off.
        """
        settings = context.settings
        if not settings.trust_proxy:
            raise AuthConfigError(
                "TrustedProxy accepts no connection, because trust_proxy is off. Set FLUXLIT_TRUST_PROXY=1, and the "
                "addresses of your proxy in FLUXLIT_FORWARDED_ALLOW_IPS."
            )
        if not self._headers.signed and "*" in settings.forwarded_allow_ips:
            raise AuthConfigError(
                "TrustedProxy with unsigned headers accepts every client, because forwarded_allow_ips is '*'. Set it "
                "to the addresses of your proxy, or use a proxy that signs its headers."
            )

    async def authenticate(self, scope: Scope) -> Verdict:
        """Authenticate a request. Never raises."""
        peer: Peer | None = scope.get(PEER)
        if peer is None or not peer.trusted:
            return Verdict()
        now = self._clock()
        try:
            user = await self._reader.read(peer.headers, now)
        except ProviderUnavailable:
            return Verdict(problem=Problem(503, "The keys of the proxy are unavailable. Try again in a few seconds."))
        except AuthError as error:
            return Verdict(problem=Problem(401, f"The identity headers of the proxy are refused: {error}."))
        return Verdict(self._lasting(user, scope, now))

    async def stop(self) -> None:
        """Close connections."""
        await self._web.close()

    def strips(self) -> tuple[bytes, ...]:
        """Return all headers that name the user or hold tokens."""
        return tuple(name.lower().encode("ascii") for name in self._headers.header_names)

    def strips_cookies(self) -> tuple[bytes, ...]:
        """Return the proxy's own cookies, which are credentials."""
        return tuple(name.encode("ascii") for name in self._headers.cookies)

    def challenge(self) -> str:
        """Value of WWW-Authenticate; there is no registered scheme for this."""
        return 'Proxy-Identity realm="login"'

    def security_schemes(self) -> Mapping[str, Mapping[str, Any]]:
        """Return none: a caller has to connect through the proxy."""
        return {}

    def _lasting(self, user: User | None, scope: Scope, now: float) -> User | None:
        if user is None or user.expires_at is None or scope["type"] != "websocket":
            return user
        return replace(user, expires_at=max(user.expires_at, now + self._lifetime))
