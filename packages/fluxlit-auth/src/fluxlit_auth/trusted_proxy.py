"""Users whom a proxy in front has recognised: oauth2-proxy, Cloudflare Access, Pomerium and the like.

Such a proxy writes the user into fields of the request. Anybody else can write the same fields. So they are believed
only when the connection comes from a proxy that the operator trusts: `trust_proxy` on, and its address in
`forwarded_allow_ips`. From everybody else they are nothing, and the gateway removes them.

What a proxy signs is checked as well. That also covers whoever gets past the network's rules to the gateway, but not
past the proxy's key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fluxlit_auth.errors import AuthConfigError, AuthError, ProviderUnavailable
from fluxlit_auth.identity import Problem, User, Verdict
from fluxlit_auth.load_balancer import LoadBalancerData
from fluxlit_auth.machine import PEER, Passive, Peer, Scope
from fluxlit_auth.statement import Assertion, ClientPrincipal, PlainFields, Statement
from fluxlit_auth.web import Web

SOCKET_S = 3600.0


class TrustedProxy(Passive):
    """Recognises users by what a trusted proxy says of them.

    Args:
        statement: how it says so: `PlainFields`, `Assertion`, `LoadBalancerData` or `ClientPrincipal`. For well-known
            proxies there are class methods.
        socket_lifetime_s: seconds for which a WebSocket stays open on one signed statement, which itself often lasts
            for minutes only. After that, or half of it where the user is at work, the browser connects anew, and the
            proxy says again who that is.
        web: the way to the proxy's keys.
        clock: seconds since the epoch.

    Raises:
        AuthConfigError: what is configured cannot work.
    """

    def __init__(
        self,
        statement: Statement | None = None,
        *,
        socket_lifetime_s: float = SOCKET_S,
        web: Web | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._web = web or Web()
        self._statement: Statement = statement if statement is not None else PlainFields()
        self._reader = self._statement.reader(self._web)
        self._lifetime, self._clock = socket_lifetime_s, clock

    # Well-known proxies.

    @classmethod
    def oauth2_proxy(cls, *, auth_request: bool = False, **options: Any) -> TrustedProxy:
        """oauth2-proxy with ``--pass-user-headers``, in front or asked by nginx.

        https://oauth2-proxy.github.io/oauth2-proxy/configuration/overview

        Args:
            auth_request: the fields are those of ``--set-xauthrequest``, which nginx hands on.
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
            team: the name of the team, as in ``team.cloudflareaccess.com``.
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
            host: the public host name of the route, which is issuer and audience (its JWTs name just that).
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
        """An AWS Application Load Balancer with an ``authenticate-oidc`` or ``authenticate-cognito`` action.

        Args:
            load_balancers: its ARN, or those of several in one region.
            client_id: if given, the client whom it has logged users in for.
            keys_url: where the keys are, without the name of one; by default that of the region in the ARN.
            roles_claim: where roles are in the claims of the provider; for Cognito ``cognito:groups``.
            **options: of `TrustedProxy`.
        """
        return cls(LoadBalancerData(load_balancers, client_id, keys_url, roles_claim), **options)

    @classmethod
    def azure_easy_auth(cls, **options: Any) -> TrustedProxy:
        """Azure's built-in authentication, of App Service and Container Apps.

        What it says is not signed: the platform promises that clients cannot send these fields themselves.

        Args:
            **options: of `TrustedProxy`.
        """
        return cls(ClientPrincipal(), **options)

    # The life of an authenticator.

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
        if not self._statement.signed and "*" in getattr(settings, "forwarded_allow_ips", ()):
            raise AuthConfigError(
                "TrustedProxy with plain fields believes every client, because forwarded_allow_ips is '*'. Name the "
                "addresses of your proxy, or use a proxy that signs what it says."
            )

    async def authenticate(self, scope: Scope) -> Verdict:
        """Judge a request. Never raises."""
        peer: Peer | None = scope.get(PEER)
        if peer is None or not peer.trusted:
            return Verdict()
        now = self._clock()
        try:
            user = await self._reader.read(peer.headers, now)
        except ProviderUnavailable:
            return Verdict(problem=Problem(503, "The keys of the proxy in front cannot be had now. Try again soon."))
        except AuthError as error:
            return Verdict(problem=Problem(401, f"What the proxy in front says of the user is refused: {error}."))
        return Verdict(self._lasting(user, scope, now))

    async def stop(self) -> None:
        """Close connections."""
        await self._web.close()

    def strips(self) -> tuple[bytes, ...]:
        """All fields that name the user, or hold the user's tokens."""
        return tuple(name.lower().encode("ascii") for name in self._statement.fields)

    def strips_cookies(self) -> tuple[bytes, ...]:
        """The proxy's own cookies, which are worth a login."""
        return tuple(name.encode("ascii") for name in self._statement.cookies)

    def challenge(self) -> str:
        """What a caller is told of whom the proxy says nothing; there is no registered scheme for this."""
        return 'Proxy-Identity realm="login"'

    def security_schemes(self) -> Mapping[str, Mapping[str, Any]]:
        """None: a caller can do nothing beside coming through the proxy."""
        return {}

    def _lasting(self, user: User | None, scope: Scope, now: float) -> User | None:
        if user is None or user.expires_at is None or scope["type"] != "websocket":
            return user
        return replace(user, expires_at=max(user.expires_at, now + self._lifetime))
