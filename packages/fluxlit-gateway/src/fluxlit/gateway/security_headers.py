"""Fields that tell a browser to be careful with an answer.

One owner for each: a field that the API, Streamlit or a page has set is never replaced.
"""

from __future__ import annotations

from fluxlit._internal.asgi import Scope
from fluxlit.observability.request_record import Defaults
from fluxlit.settings import Settings

Header = tuple[bytes, bytes]


def security_fields(settings: Settings, *, tls: bool) -> list[Header]:
    """The fields for every answer.

    Args:
        settings: what is wanted.
        tls: the browser certainly speaks TLS; otherwise it must ignore Strict-Transport-Security (RFC 6797 section
            8.1), and sending it would only mislead.
    """
    values: dict[bytes, str] = {}
    if settings.enable_security_headers:
        values[b"x-content-type-options"] = "nosniff"
        values[b"x-frame-options"] = settings.frame_options
        values[b"referrer-policy"] = settings.referrer_policy
    if tls and settings.hsts_max_age_s:
        values[b"strict-transport-security"] = f"max-age={settings.hsts_max_age_s}; includeSubDomains"
    return [(name, value.encode("latin-1")) for name, value in values.items() if value]


class SecurityHeaders:
    """Which fields an answer gets unless it has them.

    Args:
        settings: which fields are wanted.
    """

    def __init__(self, settings: Settings) -> None:
        self._plain = Defaults.of(security_fields(settings, tls=settings.public_base_url.startswith("https:")))
        self._secure = Defaults.of(security_fields(settings, tls=True))

    def __call__(self, scope: Scope) -> Defaults:
        """The fields for the answer to an HTTP request."""
        return self._secure if scope.get("scheme") == "https" else self._plain
