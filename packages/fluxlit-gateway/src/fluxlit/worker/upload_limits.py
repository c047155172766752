"""Limits of uploads: only where there is an uploader, and a budget.

Streamlit takes any file for any session, whether or not its page has an uploader, and keeps it in memory until some
minutes after the tab is closed. A visitor could fill the memory of the process that all others use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from fluxlit._internal.asgi import Application, Message, Receive, Scope, Send, request_header
from fluxlit._internal.responses import reply_text
from fluxlit.auth.contract import User
from fluxlit.observability.security_log import NO_UPLOADER, TOO_MANY_UPLOADS, log_refusal
from fluxlit.streamlit.options import get_option
from fluxlit.streamlit.uploads import has_uploader, kept_sizes

UPLOAD = "/_stcore/upload_file/"
LENGTH = b"content-length"

FILES = 4
"""Largest files (`server.maxUploadSize`) that a session may keep together."""

EACH = 64 * 1024
"""Bytes that a file counts beside its content: the rest of its multipart body, and for the number of files."""

MEGABYTE = 1024 * 1024


class UploadLimits:
    """Limits the uploads to one Streamlit runtime.

    Args:
        base: public mount, which Streamlit's paths begin with.
        sender: gives the user of the request that is being served, for the log.
    """

    def __init__(self, base: str, sender: Callable[[], User | None]) -> None:
        self._base, self._sender = base, sender
        self._budget = 0
        self._runtime: Any = None
        self._under_way: Counter[str] = Counter()

    def attach(self, runtime: Any) -> None:
        """Limit the sessions of this runtime from now on."""
        self._runtime = runtime
        self._budget = FILES * (int(get_option("server.maxUploadSize")) * MEGABYTE + EACH)

    def around(self, application: Application) -> Application:
        """An application around Streamlit's that refuses uploads."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            path = scope["path"].removeprefix(self._base) if scope["type"] == "http" else ""
            if not path.startswith(UPLOAD) or scope["method"] != "PUT":
                await application(scope, receive, send)
                return
            session, _, file = path[len(UPLOAD) :].partition("/")
            if not has_uploader(self._runtime, session):
                log_refusal(403, NO_UPLOADER, self._sender(), scope)
                await reply_text(scope, send, 403, "This page takes no uploads.")
            elif not await self._upload(application, scope, receive, send, session, file):
                log_refusal(413, TOO_MANY_UPLOADS, self._sender(), scope)
                await reply_text(scope, send, 413, "The files of this session are too large together.")

        return serve

    async def _upload(
        self, application: Application, scope: Scope, receive: Receive, send: Send, session: str, file: str
    ) -> bool:
        """Pass an upload on; `False` if it does not fit, and nothing is sent."""
        # A body without a length is counted as it comes, and at first as if it had none.
        come, counted = 0, EACH + int(request_header(scope, LENGTH) or b"0")
        self._under_way[session] += counted
        fits = self._fits(session, file)

        async def receiving() -> Message:
            nonlocal come, counted, fits
            message = await receive()
            come += len(message.get("body", b""))
            if come > counted:
                self._under_way[session] += come - counted
                counted, fits = come, self._fits(session, file)
            if not fits:
                raise TooLargeError
            return message

        async def sending(message: Message) -> None:
            if fits:  # what Streamlit makes of the exception is no use to anyone
                await send(message)

        try:
            if fits:
                await application(scope, receiving, sending)
        except TooLargeError:
            pass
        finally:
            self._under_way[session] -= counted
            if not self._under_way[session]:
                del self._under_way[session]
        return fits

    def _fits(self, session: str, file: str) -> bool:
        """Whether what a session keeps and sends is within its budget.

        Args:
            session: its id.
            file: id of the file that is replaced.
        """
        kept = sum(size + EACH for name, size in kept_sizes(self._runtime, session).items() if name != file)
        return kept + self._under_way[session] <= self._budget


class TooLargeError(Exception):
    """An upload has become larger than its session may have."""
