"""Security headers of responses.

One owner for each: a header that the API, Streamlit or a page has set is never replaced.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from fluxlit._internal.asgi import Header, Scope
from fluxlit.gateway.origin_policy import LOOPBACK
from fluxlit.observability.request_record import Defaults
from fluxlit.settings import Settings

HSTS_S = 365 * 24 * 3600
ANCESTORS = {"SAMEORIGIN": "frame-ancestors 'self'", "DENY": "frame-ancestors 'none'"}


def security_fields(settings: Settings, *, tls: bool) -> list[Header]:
    """The headers for every response.

    Args:
        settings: what is wanted.
        tls: the browser certainly speaks TLS; otherwise it must ignore Strict-Transport-Security (RFC 6797 section
            8.1), and sending it would only mislead.
    """
    values: dict[bytes, str] = {}
    if settings.enable_security_headers:
        values[b"x-content-type-options"] = "nosniff"
        values[b"x-frame-options"] = settings.frame_options
        values[b"content-security-policy"] = ANCESTORS.get(settings.frame_options, "")
        values[b"referrer-policy"] = settings.referrer_policy
    if tls and settings.hsts_max_age_s is None:
        # For this host alone: what its subdomains do is not known here, and browsers would remember it for a year.
        values[b"strict-transport-security"] = f"max-age={HSTS_S}"
    elif tls and settings.hsts_max_age_s:
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
        self._plain = Defaults.of(security_fields(settings, tls=public.scheme == "https" and not on_this_machine))
        self._secure = Defaults.of(security_fields(settings, tls=True))
        self._asked_for = settings.hsts_max_age_s is not None

    def __call__(self, scope: Scope) -> Defaults:
        """The headers for the response to an HTTP request."""
        if scope.get("scheme") != "https":
            return self._plain
        return self._secure if self._asked_for or not is_on_this_machine(scope) else self._plain


def is_on_this_machine(scope: Scope) -> bool:
    """Whether a request is for `localhost`.

    Browsers would then require TLS on all its ports, of other applications too.
    """
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    return host.partition(b":")[0].lower() == b"localhost"
