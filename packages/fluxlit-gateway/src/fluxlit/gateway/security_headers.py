"""Security headers of responses.

One owner for each: a header that the API, Streamlit or a page has set is never replaced.
"""

from __future__ import annotations

from collections.abc import Awaitable
from urllib.parse import urlsplit

from fluxlit._internal.asgi import Header, Message, Scope, Send, request_header, response_headers
from fluxlit.gateway.origin_policy import LOOPBACK
from fluxlit.observability.request_record import Defaults
from fluxlit.settings import Settings

HSTS_S = 365 * 24 * 3600
ANCESTORS = {"SAMEORIGIN": "; frame-ancestors 'self'", "DENY": "; frame-ancestors 'none'"}

POLICY = "base-uri 'self'; object-src 'self' data: blob:"
"""What every page can live with.

Scripts cannot be limited here: `components.html`, `st.html` and components of others bring scripts of their own and
from other sites, and a frame with `srcdoc` inherits the policy of its page. A base of the same site is allowed: front
ends of Angular, Blazor, Flutter and Gradio find their files by it.
"""

COOKIE = b"set-cookie"

OPENERS = "same-origin-allow-popups"
"""A site that opens a page gets no hold of its window; windows that a page opens, for a login say, work as before."""


def security_fields(settings: Settings, *, tls: bool, hsts: bool) -> list[Header]:
    """The headers for every response.

    Args:
        settings: what is wanted.
        tls: the browser certainly speaks TLS; otherwise it ignores Cross-Origin-Opener-Policy with an error on its
            console (HTML standard, 7.1.3), except on this machine.
        hsts: Strict-Transport-Security is wanted too. A browser must ignore it without TLS (RFC 6797 section 8.1).
    """
    values: dict[bytes, str] = {}
    if settings.enable_security_headers:
        values[b"x-content-type-options"] = "nosniff"
        values[b"x-frame-options"] = settings.frame_options
        values[b"content-security-policy"] = POLICY + ANCESTORS.get(settings.frame_options, "")
        values[b"referrer-policy"] = settings.referrer_policy
        values[b"cross-origin-opener-policy"] = OPENERS if tls else ""
    if hsts and settings.hsts_max_age_s is None:
        # For this host alone: what its subdomains do is not known here, and browsers would remember it for a year.
        values[b"strict-transport-security"] = f"max-age={HSTS_S}"
    elif hsts and settings.hsts_max_age_s:
        values[b"strict-transport-security"] = f"max-age={settings.hsts_max_age_s}; includeSubDomains"
    return [(name, value.encode("latin-1")) for name, value in values.items() if value]


class SecurityHeaders:
    """The headers that a response gets unless it has them.

    Args:
        settings: which headers are wanted.
    """

    def __init__(self, settings: Settings) -> None:
        public = urlsplit(settings.public_base_url)
        on_this_machine = settings.hsts_max_age_s is None and public.hostname in LOOPBACK
        known = public.scheme == "https"
        self._plain = Defaults.of(security_fields(settings, tls=known, hsts=known and not on_this_machine))
        self._here = Defaults.of(security_fields(settings, tls=True, hsts=settings.hsts_max_age_s is not None))
        self._secure = Defaults.of(security_fields(settings, tls=True, hsts=True))

    def __call__(self, scope: Scope) -> Defaults:
        """The headers for the response to an HTTP request."""
        if scope.get("scheme") != "https":
            return self._plain
        return self._here if is_on_this_machine(scope) else self._secure


class SecureCookies:
    """A `send` that makes cookies `Secure`, for a browser that speaks TLS.

    Streamlit's own cookies are `Secure` only where Streamlit ends TLS itself.
    """

    __slots__ = ("_send",)

    def __init__(self, send: Send) -> None:
        self._send = send

    def __call__(self, message: Message) -> Awaitable[None]:
        """Send a message."""
        if message["type"] == "http.response.start":
            headers = response_headers(message)
            if any(name.lower() == COOKIE for name, _ in headers):
                headers = [(name, secured(value) if name.lower() == COOKIE else value) for name, value in headers]
                message = {**message, "headers": headers}
        return self._send(message)


def secured(cookie: bytes) -> bytes:
    """A value of Set-Cookie with `Secure` (RFC 6265 section 4.1.2.5)."""
    attributes = [part.strip().lower() for part in cookie.split(b";")[1:]]
    return cookie if b"secure" in attributes else cookie + b"; Secure"


def is_on_this_machine(scope: Scope) -> bool:
    """Whether a request is for `localhost`.

    Browsers would then require TLS on all its ports, of other applications too.
    """
    host = request_header(scope, b"host") or b""
    return host.partition(b":")[0].lower() == b"localhost"
