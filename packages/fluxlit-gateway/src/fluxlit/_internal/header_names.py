"""Names of headers that only the gateway or a trusted proxy may send.

All names are in lower case, with hyphens. `fluxlit_deploy.edges.headers` has them for the edges.
"""

from __future__ import annotations

OWN = b"x-fluxlit-"
"""Beginning of the headers between the parts of FluxLit."""

FORWARDED = b"x-forwarded-"

FORWARDING = frozenset(
    {b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-prefix", b"x-forwarded-proto"}
)
"""What is taken over from a trusted proxy; every other x-forwarded-* (-user, -email, -groups...) names a user."""

ROUTE = frozenset(
    {
        b"cf-connecting-ip",
        b"fastly-client-ip",
        b"forwarded",
        b"true-client-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-original-url",
        b"x-real-ip",
        b"x-rewrite-url",
    }
)
"""Headers that report another address or another path than that of the request."""

TRACE = frozenset({b"traceparent", b"tracestate", b"baggage"})

# oauth2-proxy, Apache, authentik, AWS, Cloudflare, Google, Azure, Kong, mod_auth_openidc, Pomerium, Tailscale, Vouch,
# Grafana's auth proxy, client certificates of nginx, Apache and Envoy.
IDENTITY_PREFIXES = (
    *(b"cf-access-", b"oidc-", b"remote-", b"ssl-client-", b"tailscale-", b"x-amzn-oidc-", b"x-auth-request-"),
    *(b"x-authenticated-", b"x-authentik-", b"x-consumer-", b"x-credential-", b"x-goog-authenticated-", b"x-goog-iap-"),
    *(b"x-ms-client-principal", b"x-ms-token-", b"x-pomerium-", b"x-remote-", b"x-ssl-client-", b"x-vouch-"),
    b"x-webauth-",
)
IDENTITY = frozenset({b"x-user", b"x-user-email", b"x-user-id", b"x-userinfo", b"x-username"})
"""Names that an API may have for headers of its own; an API without a login gets them."""


def is_own(name: bytes) -> bool:
    """Whether the gateway writes a header, so `Connection` may not remove it."""
    return name in ROUTE or name in TRACE or name.startswith((OWN, FORWARDED)) or name in (b"via", b"x-request-id")


def is_from_proxy(name: bytes) -> bool:
    """Whether only a proxy may send a header: it describes another sender.

    Underscores count as hyphens: many frameworks read both as one name (CGI's rule, RFC 3875 section 4.1.18).
    """
    name = name.replace(b"_", b"-")
    return name in IDENTITY or name in ROUTE or name.startswith((FORWARDED, OWN, *IDENTITY_PREFIXES))
