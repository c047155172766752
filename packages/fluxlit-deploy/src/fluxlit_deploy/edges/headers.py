"""Request headers that say who a client is, and that only a proxy may set.

An edge that meets clients removes them. FluxLit ignores them as well unless a login by a trusted proxy reads some; two
layers have to fail before a client can name itself.
"""

from __future__ import annotations

# Beginnings of names, for engines that remove by a pattern. The names of X-Forwarded-* that an edge writes itself are
# removed first and written anew.
PREFIXES = (
    *("X-Auth-Request-", "X-Authenticated-", "X-Authentik-", "X-Amzn-Oidc-", "X-Consumer-", "X-Credential-"),
    *("X-FluxLit-", "X-Forwarded-", "X-Goog-Authenticated-", "X-Goog-Iap-", "X-MS-Client-Principal", "X-MS-Token-"),
    *("X-Pomerium-", "X-Remote-", "X-Ssl-Client-", "X-Vouch-", "X-Webauth-"),
    *("Cf-Access-", "Oidc-", "Remote-", "Ssl-Client-", "Tailscale-"),
)

# Headers that report another address or another path than that of the request.
ROUTE = (
    *("Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP", "Cf-Connecting-IP", "Fastly-Client-IP"),
    *("X-Cluster-Client-IP", "X-Original-URL", "X-Rewrite-URL"),
)

# The names that well-known proxies use, for engines that remove by name. oauth2-proxy, Authelia, authentik, AWS,
# Azure, Cloudflare, Google, Kong, Pomerium, Tailscale, Vouch; mod_auth_openidc and client certificates.
NAMES = (
    *(f"X-Auth-Request-{each}" for each in ("User", "Email", "Groups", "Preferred-Username", "Access-Token")),
    *(f"X-Forwarded-{each}" for each in ("User", "Email", "Groups", "Preferred-Username", "Access-Token")),
    *("X-Forwarded-Client-Cert", "X-Authenticated-User", "X-Authenticated-Email", "X-Authenticated-Userid"),
    *(f"X-Authentik-{each}" for each in ("Username", "Email", "Groups", "Name", "Uid", "Jwt", "Entitlements")),
    *("X-Amzn-Oidc-Accesstoken", "X-Amzn-Oidc-Data", "X-Amzn-Oidc-Identity"),
    *("X-Consumer-Username", "X-Consumer-Id", "X-Consumer-Custom-Id", "X-Consumer-Groups", "X-Credential-Identifier"),
    *("X-Goog-Authenticated-User-Email", "X-Goog-Authenticated-User-Id", "X-Goog-Iap-Jwt-Assertion"),
    *("X-MS-Client-Principal", "X-MS-Client-Principal-Id", "X-MS-Client-Principal-Idp", "X-MS-Client-Principal-Name"),
    *("X-MS-Token-Aad-Access-Token", "X-MS-Token-Aad-Id-Token", "X-Pomerium-Jwt-Assertion", "X-Pomerium-Claim-Email"),
    *("X-Remote-User", "X-Remote-Email", "X-Remote-Name", "X-Remote-Group", "X-Remote-Groups"),
    *("X-Ssl-Client-Cert", "X-Ssl-Client-S-Dn", "X-Ssl-Client-Verify", "Ssl-Client-Cert", "Ssl-Client-Subject-Dn"),
    *("X-User", "X-User-Email", "X-User-Id", "X-Username", "X-Userinfo", "X-Vouch-User", "X-Webauth-User"),
    *("X-Webauth-Email", "X-Webauth-Groups", "X-Webauth-Name", "Cf-Access-Authenticated-User-Email"),
    *("Cf-Access-Jwt-Assertion", "Oidc-Claim-Sub", "Oidc-Claim-Email", "Oidc-Access-Token", "Remote-User"),
    *("Remote-Email", "Remote-Groups", "Remote-Name", "Tailscale-User-Login", "Tailscale-User-Name"),
    *("X-FluxLit-User", "X-FluxLit-Run"),
)

# What an engine with patterns must remove by name all the same.
OTHERS = tuple(name for name in NAMES if not name.startswith(PREFIXES))

# A filter of an HTTPRoute takes sixteen names.
ROUTE_FILTER = (
    *("Forwarded", "X-Real-IP", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups"),
    *("X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Groups", "Remote-User", "Remote-Groups"),
    *("X-Remote-User", "X-Webauth-User", "X-Authentik-Username", "X-Authentik-Groups"),
    *("X-MS-Client-Principal-Name", "Tailscale-User-Login"),
)
