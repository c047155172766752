"""Settings that are right one by one, and dangerous or useless together.

Each hazard has an id that never changes, so that scripts can wait for it or let it pass. The rules are pure:
settings and their sources in, hazards out. What contradicts itself is not here: it stops the start
(`fluxlit.settings.contradictions`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from fluxlit.settings import Layer, Settings, Source, describe

# Below this, an answer that takes its time is cut off. Streamlit's own health answers need milliseconds.
SHORT_READ_TIMEOUT_S = 5.0
# A key drawn from 64 characters at random shows about 25 different ones among 32.
LEAST_VARIETY = 10
_LOOPBACK_NAMES = {"localhost", "localhost.localdomain"}
_PLACEHOLDERS = ("changeme", "change-me", "change_me", "secret", "password", "example", "insecure", "01234567")


@dataclass(frozen=True)
class Hazard:
    """One dangerous or useless combination.

    Attributes:
        id: name that never changes.
        severity: ``error`` for what gives the application away, else ``warning``.
        settings: the settings that together make it.
        message: what is dangerous.
        remedy: what to do.
    """

    id: str
    severity: str
    settings: tuple[str, ...]
    message: str
    remedy: str


@dataclass(frozen=True)
class Facts:
    """What the rules look at.

    Attributes:
        settings: the effective settings.
        sources: where they came from.
        login: the application asks its users who they are.
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
        """Whether people elsewhere use the application, directly or through a proxy."""
        url = self.settings.public_base_url
        return self.reachable or bool(url and not is_loopback(urlsplit(url).hostname or ""))

    @property
    def scheme(self) -> str:
        """The scheme of the public address, empty if that is not known."""
        return urlsplit(self.settings.public_base_url).scheme


def hazards(settings: Settings, sources: Mapping[str, Source], *, login: bool = False) -> list[Hazard]:
    """Return everything that is dangerous, errors first.

    Args:
        settings: the effective settings.
        sources: where they came from.
        login: the application asks its users who they are.
    """
    facts = Facts(settings, sources, login)
    found = [hazard for rule in RULES for hazard in rule(facts)]
    return sorted(found, key=lambda hazard: hazard.severity != "error")


def is_loopback(host: str) -> bool:
    """Whether only programs of the same machine reach a host of this name."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() in _LOOPBACK_NAMES or host.lower().endswith(".localhost")


def _trust(facts: Facts) -> Iterator[Hazard]:
    settings = facts.settings
    names = ("trust_proxy", "forwarded_allow_ips")
    everyone = [item for item in settings.forwarded_allow_ips if item == "*" or item.endswith("/0")]
    if settings.trust_proxy and everyone:
        yield Hazard(
            "trust-everyone",
            "error" if facts.reachable else "warning",
            names,
            f'every client may say where it comes from: trust_proxy is on for "{everyone[0]}".',
            "Name the addresses or networks of your proxies in forwarded_allow_ips.",
        )
    if not settings.trust_proxy and facts.sources["forwarded_allow_ips"].layer is not Layer.DEFAULT:
        yield Hazard(
            "allow-list-unused",
            "warning",
            names,
            "forwarded_allow_ips names proxies, but trust_proxy is off, so no proxy is believed.",
            "Turn trust_proxy on, or remove forwarded_allow_ips.",
        )


def _wide_trust(facts: Facts) -> Iterator[Hazard]:
    for item in facts.settings.forwarded_allow_ips if facts.settings.trust_proxy else ():
        if item in ("*", "unix") or item.endswith("/0"):
            continue
        network = ipaddress.ip_network(item)
        if not network.is_private and network.num_addresses > 2**16:
            yield Hazard(
                "trust-wide-network",
                "warning",
                ("trust_proxy", "forwarded_allow_ips"),
                f"{network.num_addresses} public addresses may say where a client comes from ({item}).",
                "Name the networks of your proxies only.",
            )


def _public_address(facts: Facts) -> Iterator[Hazard]:
    settings = facts.settings
    if facts.reachable and not settings.public_base_url:
        yield Hazard(
            "public-url-missing",
            "warning",
            ("gateway_host", "public_base_url"),
            f"other machines can connect to {settings.gateway_host}, but the address that browsers use is not known: "
            f"links, redirects and the check of Origin believe the Host that a client sends.",
            "Set public_base_url.",
        )
    if settings.root_path and not settings.public_base_url and not facts.reachable:
        yield Hazard(
            "mount-without-public-url",
            "warning",
            ("root_path", "public_base_url"),
            f"the application is mounted at {settings.root_path}, but the address that browsers use is not known.",
            f'Set public_base_url, for example to "https://example.com{settings.root_path}".',
        )


def _plain_http(facts: Facts) -> Iterator[Hazard]:
    if facts.scheme != "http" or is_loopback(urlsplit(facts.settings.public_base_url).hostname or ""):
        return
    yield Hazard(
        "login-over-http" if facts.login else "public-http",
        "error" if facts.login else "warning",
        ("public_base_url",),
        "browsers use plain HTTP, so everybody on the way can read "
        + ("passwords and sessions, and log in with them." if facts.login else "and change what they see."),
        "Give the edge a certificate, and let public_base_url begin with https:.",
    )


def _secret_key(facts: Facts) -> Iterator[Hazard]:
    for key in facts.settings.secret_key:
        weak = len(set(key)) < LEAST_VARIETY or any(word in key.lower() for word in _PLACEHOLDERS)
        if weak:
            yield Hazard(
                "weak-secret-key",
                "error",
                ("secret_key",),
                "secret_key can be guessed: it is a placeholder, or has hardly any different characters.",
                "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
            )
            return


def _secret_places(facts: Facts) -> Iterator[Hazard]:
    places = {
        Layer.CODE: ("secret-in-code", "is in the source code, and so in every copy of the repository"),
        Layer.FILE: ("secret-in-project-file", "is in a file that belongs into the repository"),
        Layer.FLAG: ("secret-on-command-line", "is on the command line, which every user of the machine can read"),
    }
    for setting in ("session_store", *filter(describe.is_secret, describe.SETTINGS)):
        value = getattr(facts.settings, setting)
        found = places.get(facts.sources[setting].layer)
        holds_secret = bool(value) and (describe.is_secret(setting) or bool(urlsplit(value).password))
        if found and holds_secret:
            name, where = found
            what = setting if describe.is_secret(setting) else f"the password of {setting}"
            yield Hazard(
                name,
                "warning",
                (setting,),
                f"{what} {where} ({facts.sources[setting].where}).",
                "Give it by the environment, or by .env, which stays out of the repository.",
            )


def _session_store(facts: Facts) -> Iterator[Hazard]:
    store = facts.settings.session_store or ""
    scheme = store.partition(":")[0].lower()
    if store and scheme != "memory" and not facts.settings.secret_key:
        yield Hazard(
            "sessions-unencrypted",
            "warning",
            ("session_store", "secret_key"),
            f"sessions leave this process for {scheme}:// in clear text.",
            "Set FLUXLIT_SECRET_KEY.",
        )
    hosts = [part.rpartition("@")[2].partition(":")[0] for part in urlsplit(store).netloc.split(",")]
    if scheme.startswith("redis") and not scheme.startswith("rediss") and not all(map(is_loopback, hosts)):
        yield Hazard(
            "redis-without-tls",
            "warning",
            ("session_store",),
            "sessions and the password of Redis travel unencrypted to another machine.",
            "Use rediss://, unless the network between the two is private and encrypted by other means.",
        )


def _debug(facts: Facts) -> Iterator[Hazard]:
    if facts.settings.debug and facts.public:
        yield Hazard(
            "debug-in-production",
            "error",
            ("debug",),
            "debug shows tracebacks to everybody who can open the application.",
            "Turn debug off where others can connect.",
        )


def _browser_protection(facts: Facts) -> Iterator[Hazard]:
    settings = facts.settings
    if facts.public and not settings.enable_security_headers:
        yield Hazard(
            "security-headers-off",
            "warning",
            ("enable_security_headers",),
            "other sites may show the application in a frame and learn its addresses, which may carry session ids.",
            "Turn enable_security_headers on, or let the edge send the fields.",
        )
    elif facts.login and not settings.frame_options:
        yield Hazard(
            "framed-login",
            "warning",
            ("frame_options",),
            "every site may show the application in a frame and make a logged-in user click there.",
            'Set frame_options to "SAMEORIGIN" or "DENY".',
        )
    if settings.hsts_max_age_s and facts.scheme != "https":
        yield Hazard(
            "hsts-never-sent",
            "warning",
            ("hsts_max_age_s", "public_base_url"),
            "hsts_max_age_s is set, but is sent only where TLS is certain.",
            "Set public_base_url to an address that begins with https:.",
        )


def _other_sites(facts: Facts) -> Iterator[Hazard]:
    settings = facts.settings
    for setting in ("allowed_origins", "cors_allow_origins"):
        plain = [
            origin
            for origin in getattr(settings, setting)
            if origin.startswith("http:") and not is_loopback(urlsplit(origin).hostname or "")
        ]
        trusted = setting == "allowed_origins" or settings.cors_allow_credentials
        if plain and trusted and facts.scheme == "https":
            yield Hazard(
                "insecure-origin",
                "warning",
                (setting,),
                f"{plain[0]} is trusted with users' sessions, but everybody on the way can change what it sends.",
                f"Use an https: origin in {setting}.",
            )
    if settings.cors_allow_credentials and not settings.cors_allow_origins:
        yield Hazard(
            "cors-credentials-unused",
            "warning",
            ("cors_allow_credentials", "cors_allow_origins"),
            "cors_allow_credentials is on, but no origin may call the API.",
            "Name the origins in cors_allow_origins, or turn cors_allow_credentials off.",
        )


def _open_routes(facts: Facts) -> Iterator[Hazard]:
    routes = facts.settings.streamlit_open_routes
    if routes and facts.public:
        yield Hazard(
            "streamlit-routes-open",
            "warning",
            ("streamlit_open_routes",),
            f"everybody can open Streamlit's {', '.join(routes)}, which it protects by nothing.",
            "Close them, or let the edge admit your own networks only.",
        )


def _limits(facts: Facts) -> Iterator[Hazard]:
    settings = facts.settings
    if settings.trust_proxy and not settings.gateway_max_proxy_request_body_bytes:
        yield Hazard(
            "no-body-limit",
            "warning",
            ("gateway_max_proxy_request_body_bytes",),
            "requests to the UI may be of any size.",
            "Set gateway_max_proxy_request_body_bytes a little above your largest upload (server.maxUploadSize).",
        )
    if settings.gateway_upstream_read_timeout_s < SHORT_READ_TIMEOUT_S:
        yield Hazard(
            "short-read-timeout",
            "warning",
            ("gateway_upstream_read_timeout_s",),
            f"a page or download that is silent for {settings.gateway_upstream_read_timeout_s:g} s is cut off.",
            f"Set gateway_upstream_read_timeout_s to {SHORT_READ_TIMEOUT_S:g} or more.",
        )
    if settings.uvicorn_graceful_shutdown_timeout_s == 0 and facts.public:
        yield Hazard(
            "no-grace",
            "warning",
            ("uvicorn_graceful_shutdown_timeout_s",),
            "every restart cuts off the requests that are being answered.",
            "Set uvicorn_graceful_shutdown_timeout_s to as long as your slowest answer takes.",
        )


def _unsupported(facts: Facts) -> Iterator[Hazard]:
    if facts.settings.allow_unified_uvicorn_multiworker:
        yield Hazard(
            "unsupported-multiworker",
            "warning",
            ("allow_unified_uvicorn_multiworker",),
            "under several uvicorn workers a browser's requests reach different Streamlits by chance.",
            "Run one uvicorn process, and set streamlit_workers.",
        )


Rule = Callable[[Facts], Iterator[Hazard]]

RULES: tuple[Rule, ...] = (
    _trust,
    _wide_trust,
    _public_address,
    _plain_http,
    _secret_key,
    _secret_places,
    _session_store,
    _debug,
    _browser_protection,
    _other_sites,
    _open_routes,
    _limits,
    _unsupported,
)
