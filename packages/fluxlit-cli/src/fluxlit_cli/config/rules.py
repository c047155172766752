"""Settings that are valid one by one, and dangerous or useless together.

Each finding has an id that never changes, so that scripts can require or ignore it. The rules are pure functions
of the settings and their sources. Contradictions prevent the start and are checked elsewhere
(`fluxlit.settings.contradictions`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from fluxlit._internal.peer import is_loopback as is_loopback_address
from fluxlit.observability.logs.masking import masked
from fluxlit.settings import Layer, Settings, Source, describe
from fluxlit_cli.finding import Finding, Status

# Shorter timeouts cut off slow pages; Streamlit's health endpoint responds within milliseconds.
SHORT_READ_TIMEOUT_S = 5.0
# 32 random characters out of 64 hold about 25 different ones.
LEAST_VARIETY = 10
_LOOPBACK_NAMES = {"localhost", "localhost.localdomain"}
_PLACEHOLDERS = ("changeme", "change-me", "change_me", "secret", "password", "example", "insecure", "01234567")


@dataclass(frozen=True)
class Facts:
    """The input of the rules.

    Attributes:
        settings: the effective settings.
        sources: their sources.
        login: the application has a login.
    """

    settings: Settings
    sources: Mapping[str, Source]
    login: bool = False

    @property
    def reachable(self) -> bool:
        """Whether other machines can connect to the gateway itself."""
        return not is_loopback(self.settings.gateway_host)

    @property
    def public(self) -> bool:
        """Whether browsers on other machines use the application."""
        url = self.settings.public_base_url
        return self.reachable or bool(url and not is_loopback(urlsplit(url).hostname or ""))

    @property
    def scheme(self) -> str:
        """The scheme of the public address, empty if that is not known."""
        return urlsplit(self.settings.public_base_url).scheme


def check(settings: Settings, sources: Mapping[str, Source], *, login: bool = False) -> list[Finding]:
    """Return all findings, errors first.

    Args:
        settings: the effective settings.
        sources: their sources.
        login: the application has a login.
    """
    facts = Facts(settings, sources, login)
    found = [finding for rule in RULES for finding in rule(facts)]
    return sorted(found, key=lambda finding: finding.status is not Status.FAIL)


def _finding(id: str, severity: str, settings: tuple[str, ...], detail: str, remedy: str) -> Finding:  # noqa: A002
    return Finding(Status.FAIL if severity == "error" else Status.WARN, detail, remedy, id, settings)


def is_loopback(host: str) -> bool:
    """Whether a host name or address reaches only this machine."""
    name = host.strip("[]").lower()
    return is_loopback_address(name) or name in _LOOPBACK_NAMES or name.endswith(".localhost")


def _trust(facts: Facts) -> Iterator[Finding]:
    settings = facts.settings
    names = ("trust_proxy", "forwarded_allow_ips")
    everyone = [item for item in settings.forwarded_allow_ips if item == "*" or item.endswith("/0")]
    if settings.trust_proxy and everyone:
        yield _finding(
            "trust-everyone",
            "error" if facts.reachable else "warning",
            names,
            f'every client can forge its address: trust_proxy is on for "{everyone[0]}".',
            "List the addresses or networks of your proxies in forwarded_allow_ips.",
        )
    if not settings.trust_proxy and facts.sources["forwarded_allow_ips"].layer is not Layer.DEFAULT:
        yield _finding(
            "allow-list-unused",
            "warning",
            names,
            "forwarded_allow_ips lists proxies, but trust_proxy is off, so no proxy is trusted.",
            "Turn trust_proxy on, or remove forwarded_allow_ips.",
        )


def _wide_trust(facts: Facts) -> Iterator[Finding]:
    for item in facts.settings.forwarded_allow_ips if facts.settings.trust_proxy else ():
        if item in ("*", "unix") or item.endswith("/0"):
            continue
        network = ipaddress.ip_network(item)
        if not network.is_private and network.num_addresses > 2**16:
            yield _finding(
                "trust-wide-network",
                "warning",
                ("trust_proxy", "forwarded_allow_ips"),
                f"{network.num_addresses} public addresses can forge the address of a client ({item}).",
                "List only the networks of your proxies.",
            )


def _public_address(facts: Facts) -> Iterator[Finding]:
    settings = facts.settings
    if facts.reachable and not settings.public_base_url:
        yield _finding(
            "public-url-missing",
            "warning",
            ("gateway_host", "public_base_url"),
            f"other machines can connect to {settings.gateway_host}, but the public address is unknown: "
            f"links, redirects and the check of Origin trust the Host header of the client.",
            "Set public_base_url.",
        )
    if settings.root_path and not settings.public_base_url and not facts.reachable:
        yield _finding(
            "mount-without-public-url",
            "warning",
            ("root_path", "public_base_url"),
            f"the application is mounted at {settings.root_path}, but the public address is unknown.",
            f'Set public_base_url, for example to "https://example.com{settings.root_path}".',
        )


def _plain_http(facts: Facts) -> Iterator[Finding]:
    if facts.scheme != "http" or is_loopback(urlsplit(facts.settings.public_base_url).hostname or ""):
        return
    yield _finding(
        "login-over-http" if facts.login else "public-http",
        "error" if facts.login else "warning",
        ("public_base_url",),
        "browsers use plain HTTP, so others on the network can read "
        + ("passwords and sessions, and use them." if facts.login else "and change what they see."),
        "Give the edge a certificate, and set public_base_url to an https: address.",
    )


def _secret_key(facts: Facts) -> Iterator[Finding]:
    for key in facts.settings.secret_key:
        weak = len(set(key)) < LEAST_VARIETY or any(word in key.lower() for word in _PLACEHOLDERS)
        if weak:
            yield _finding(
                "weak-secret-key",
                "error",
                ("secret_key",),
                "secret_key can be guessed: it is a placeholder, or has too few different characters.",
                "Generate one: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
            )
            return


def _secret_places(facts: Facts) -> Iterator[Finding]:
    places = {
        Layer.CODE: ("secret-in-code", "is in the source code and in every copy of the repository"),
        Layer.FILE: ("secret-in-project-file", "is in a file that belongs in the repository"),
        Layer.FLAG: ("secret-on-command-line", "is on the command line, which every user of the machine can read"),
    }
    for setting in ("session_store", *filter(describe.is_secret, describe.SETTINGS)):
        value = getattr(facts.settings, setting)
        found = places.get(facts.sources[setting].layer)
        holds_secret = bool(value) and masked(setting, value) != value
        if found and holds_secret:
            name, where = found
            what = setting if describe.is_secret(setting) else f"the password of {setting}"
            yield _finding(
                name,
                "warning",
                (setting,),
                f"{what} {where} ({facts.sources[setting].where}).",
                "Set it in the environment, or in .env, which stays out of the repository.",
            )


def _session_store(facts: Facts) -> Iterator[Finding]:
    store = facts.settings.session_store or ""
    scheme = store.partition(":")[0].lower()
    if store and scheme != "memory" and not facts.settings.secret_key:
        yield _finding(
            "sessions-unencrypted",
            "warning",
            ("session_store", "secret_key"),
            f"sessions are sent to {scheme}:// unencrypted.",
            "Set FLUXLIT_SECRET_KEY.",
        )
    plain = scheme.partition("+")[0]
    if plain in {"redis", "valkey"} and not all(map(is_loopback, _hosts(store))):
        yield _finding(
            "redis-without-tls",
            "warning",
            ("session_store",),
            "sessions and the Redis password are sent unencrypted to another machine.",
            f"Use {plain}s://, unless the network in between is private or encrypted.",
        )


def _hosts(url: str) -> list[str]:
    """Return the hosts of a store URL.

    A password may stand there unencoded, with any characters: `urlsplit` ends it at a slash, and quotes it in an error
    if there is a bracket.
    """
    place = url.partition("://")[2].rpartition("@")[2]
    for end in "/?#":
        place = place.partition(end)[0]
    # An IPv6 address stands in brackets, which end before its port.
    return [part.partition("]" if part.startswith("[") else ":")[0] for part in place.split(",")]


def _browser_protection(facts: Facts) -> Iterator[Finding]:
    settings = facts.settings
    if facts.public and not settings.enable_security_headers:
        yield _finding(
            "security-headers-off",
            "warning",
            ("enable_security_headers",),
            "other sites may show the application in a frame and learn its addresses, which may carry session ids.",
            "Turn enable_security_headers on, or let the edge add the headers.",
        )
    elif facts.login and not settings.frame_options:
        yield _finding(
            "framed-login",
            "warning",
            ("frame_options",),
            "every site may show the application in a frame and trick a logged-in user into clicking there.",
            'Set frame_options to "SAMEORIGIN" or "DENY".',
        )
    if settings.hsts_max_age_s and facts.scheme != "https":
        yield _finding(
            "hsts-never-sent",
            "warning",
            ("hsts_max_age_s", "public_base_url"),
            "hsts_max_age_s is set, but the header is sent only where TLS is certain.",
            "Set public_base_url to an https: address.",
        )


def _other_sites(facts: Facts) -> Iterator[Finding]:
    settings = facts.settings
    for setting in ("allowed_origins", "cors_allow_origins"):
        plain = [
            origin
            for origin in getattr(settings, setting)
            if origin.startswith("http:") and not is_loopback(urlsplit(origin).hostname or "")
        ]
        trusted = setting == "allowed_origins" or settings.cors_allow_credentials
        if plain and trusted and facts.scheme == "https":
            yield _finding(
                "insecure-origin",
                "warning",
                (setting,),
                f"{plain[0]} is trusted with users' sessions, but others on the network can change what it sends.",
                f"Use an https: origin in {setting}.",
            )
    if settings.cors_allow_credentials and not settings.cors_allow_origins:
        yield _finding(
            "cors-credentials-unused",
            "warning",
            ("cors_allow_credentials", "cors_allow_origins"),
            "cors_allow_credentials is on, but no origin may call the API.",
            "List the origins in cors_allow_origins, or turn cors_allow_credentials off.",
        )


def _open_routes(facts: Facts) -> Iterator[Finding]:
    routes = facts.settings.streamlit_open_routes
    if routes and facts.public:
        yield _finding(
            "streamlit-routes-open",
            "warning",
            ("streamlit_open_routes",),
            f"every visitor can open Streamlit's unprotected {', '.join(routes)}.",
            "Close them, or let the edge admit only your own networks.",
        )


def _limits(facts: Facts) -> Iterator[Finding]:
    settings = facts.settings
    if settings.trust_proxy and not settings.gateway_max_proxy_request_body_bytes:
        yield _finding(
            "no-body-limit",
            "warning",
            ("gateway_max_proxy_request_body_bytes",),
            "requests to the UI have no size limit.",
            "Set gateway_max_proxy_request_body_bytes a little above your largest upload (server.maxUploadSize).",
        )
    if settings.gateway_upstream_read_timeout_s < SHORT_READ_TIMEOUT_S:
        yield _finding(
            "short-read-timeout",
            "warning",
            ("gateway_upstream_read_timeout_s",),
            f"a page or download that sends nothing for {settings.gateway_upstream_read_timeout_s:g} s is cut off.",
            f"Set gateway_upstream_read_timeout_s to {SHORT_READ_TIMEOUT_S:g} or more.",
        )
    if settings.uvicorn_graceful_shutdown_timeout_s == 0 and facts.public:
        yield _finding(
            "no-grace",
            "warning",
            ("uvicorn_graceful_shutdown_timeout_s",),
            "every restart cuts off requests in progress.",
            "Set uvicorn_graceful_shutdown_timeout_s to the duration of your slowest request.",
        )


def _unsupported(facts: Facts) -> Iterator[Finding]:
    if facts.settings.allow_unified_uvicorn_multiworker:
        yield _finding(
            "unsupported-multiworker",
            "warning",
            ("allow_unified_uvicorn_multiworker",),
            "with several uvicorn workers the requests of a browser reach different Streamlit servers.",
            "Run one uvicorn process, and set streamlit_workers.",
        )


Rule = Callable[[Facts], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    _trust,
    _wide_trust,
    _public_address,
    _plain_http,
    _secret_key,
    _secret_places,
    _session_store,
    _browser_protection,
    _other_sites,
    _open_routes,
    _limits,
    _unsupported,
)
