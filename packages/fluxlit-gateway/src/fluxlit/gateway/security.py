"""Fields that tell a browser to be careful with an answer.

One owner for each: a field that the API, Streamlit or a page has set is never replaced.
"""

from __future__ import annotations

from collections.abc import Awaitable

from fluxlit.asgi import Application, Message, Receive, Scope, Send
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
    """An ASGI application around another, whose answers it completes.

    Args:
        application: what answers.
        settings: which fields are wanted.
    """

    def __init__(self, application: Application, settings: Settings) -> None:
        self._application = application
        self._plain = security_fields(settings, tls=settings.public_base_url.startswith("https:"))
        self._secure = security_fields(settings, tls=True)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one HTTP request or WebSocket; handshakes have no use for the fields."""
        fields = self._secure if scope.get("scheme") == "https" else self._plain
        if fields and scope["type"] == "http":
            send = Completed(send, fields)
        return self._application(scope, receive, send)


class Completed:
    """A `send` that adds what an answer's head lacks."""

    __slots__ = ("_fields", "_send")

    def __init__(self, send: Send, fields: list[Header]) -> None:
        self._send = send
        self._fields = fields

    def __call__(self, message: Message) -> Awaitable[None]:
        """Send a message."""
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            present = {name for name, _ in headers}
            headers += [field for field in self._fields if field[0] not in present]
            message = {**message, "headers": headers}
        return self._send(message)
