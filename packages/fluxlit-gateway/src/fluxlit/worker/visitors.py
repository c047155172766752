"""The visitors of this process: user and handle of each session.

The headers that name them are taken off every request before Streamlit sees it, so that no page finds the handle among
its headers. A session keeps the visitor of its newest handshake, for as long as Streamlit keeps the session.

A file that a run has shown (`/media/...`) is named after its content, so its name is no secret. It is given only
to the user that it was made for; an upload is taken from the user of the session that it is for.
"""

from __future__ import annotations

import posixpath
import threading
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from fluxlit._internal.asgi import Application, Receive, Scope, Send
from fluxlit._internal.header_names import FORWARDING, OWN
from fluxlit.auth.contract import User
from fluxlit.auth.user_headers import RUN_FIELD, USER_FIELD, read_user
from fluxlit.observability.current_request import REQUEST_FIELD
from fluxlit.observability.security_log import FOREIGN_FILE, log_refusal
from fluxlit.settings import Settings
from fluxlit.streamlit.live_sessions import identify_sessions
from fluxlit.streamlit.media import report_media, stored_files
from fluxlit.streamlit.script_run import current_session, handshake_headers
from fluxlit.users import CurrentUserProvider

MEDIA = "/media/"
UPLOAD = "/_stcore/upload_file/"

MOST_FILES = 10_000
"""Files with remembered owners, before those of dropped files are forgotten."""

CARRIED = (REQUEST_FIELD, *(name.decode("ascii") for name in sorted(FORWARDING)))
"""Headers of a session's handshake that its API calls carry."""

Person = tuple[str, str] | None


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Visitor:
    """Who is behind a session.

    Attributes:
        user: `None` for a visitor who has not logged in.
        handle: by which the API recognises calls of this session's pages; empty for none.
        address: of the browser; empty if unknown.
    """

    user: User | None = None
    handle: str = ""
    address: str = ""

    @property
    def person(self) -> Person:
        """What two visitors must share to be the same user."""
        return (self.user.issuer, self.user.subject) if self.user is not None else None


ANONYMOUS = Visitor()


class Visitors:
    """The visitors of one Streamlit runtime.

    Args:
        base: public mount, which Streamlit's paths begin with.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._arriving: ContextVar[Visitor] = ContextVar("fluxlit_visitor", default=ANONYMOUS)
        self._known: WeakValueDictionary[str, Visitor] = WeakValueDictionary()
        self._owners: dict[str, set[Person]] = {}
        self._lock = threading.Lock()
        self._runtime: Any = None

    def attach(self, runtime: Any) -> None:
        """Learn from now on to which user a session belongs."""
        self._runtime = runtime
        identify_sessions(runtime, self._facts, self._arrived)
        report_media(runtime, self._shown)

    def watched(self, application: Application) -> Application:
        """An application around Streamlit's that reads who sends each request."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan":
                await application(scope, receive, send)
                return
            visitor, headers = read_visitor(scope["headers"], (scope.get("client") or ("",))[0])
            if scope["type"] == "http" and not self._may_have(visitor, scope):
                await refuse(scope, send)
                return
            token = self._arriving.set(visitor)
            try:
                await application({**scope, "headers": headers}, receive, send)
            finally:
                self._arriving.reset(token)

        return serve

    def current(self) -> Visitor:
        """The visitor of the run that calls this; anonymous outside a run."""
        session = current_session()
        return (self._known.get(session) if session else None) or ANONYMOUS

    def user(self) -> User | None:
        """The user of the run that calls this."""
        return self.current().user

    def sender(self) -> User | None:
        """The user of the request that is being served."""
        return self._arriving.get().user

    def provider(self, settings: Settings) -> CurrentUserProvider:
        """What the code of pages learns of the visitor."""
        mount = settings.root_path + settings.api_mount_path
        return CurrentUserProvider(self.user, mount, lambda: self.current().address)

    def call_headers(self) -> dict[str, str]:
        """The headers of the API calls of this run.

        Handle, request id, and the forwarding headers by which the API sees the visitor.
        """
        handle, carried = self.current().handle, handshake_headers(CARRIED)
        return {**carried, RUN_FIELD.decode("ascii"): handle} if handle else carried

    def _facts(self) -> dict[str, Any]:
        """The content of `st.user`.

        Streamlit resumes a session only if all of it is the same as before.
        """
        return streamlit_facts(self._arriving.get().user)

    def _arrived(self, session_id: str, session: Any) -> None:
        visitor = self._arriving.get()
        session.fluxlit_visitor = visitor  # what keeps it, as long as the session is there
        self._known[session_id] = visitor

    def _shown(self, url: str, session_id: str) -> None:
        visitor = self._known.get(session_id) or ANONYMOUS
        with self._lock:
            if len(self._owners) >= MOST_FILES:
                self._forget_dropped_files()
            self._owners.setdefault(file_id(url), set()).add(visitor.person)

    def _forget_dropped_files(self) -> None:
        there = stored_files(self._runtime)
        if there is not None:
            self._owners = {name: owners for name, owners in self._owners.items() if name in there}

    def _may_have(self, visitor: Visitor, scope: Scope) -> bool:
        owners = self._owners_of(scope["path"].removeprefix(self._base))
        if owners is None or visitor.person in owners:
            return True
        if owners:
            log_refusal(404, FOREIGN_FILE, visitor.user, scope)
        return False

    def _owners_of(self, path: str) -> set[Person] | None:
        """Who may use a path, `None` if it belongs to no user."""
        if path.startswith(MEDIA):
            with self._lock:
                return self._owners.get(file_id(path), set())
        if path.startswith(UPLOAD):
            session = self._known.get(path[len(UPLOAD) :].partition("/")[0])
            return None if session is None else {session.person}
        return None


def streamlit_facts(user: User | None) -> dict[str, Any]:
    """The content of `st.user` for a user, or for an anonymous visitor."""
    if user is None:
        return {"is_logged_in": False}
    facts = {"sub": user.subject, "iss": user.issuer, "name": user.name, "email": user.email}
    return {"is_logged_in": True, **facts, "roles": ",".join(sorted(user.roles))}


def read_visitor(headers: list[tuple[bytes, bytes]], address: str) -> tuple[Visitor, list[tuple[bytes, bytes]]]:
    """The visitor that the gateway has named, and the other headers."""
    named = [field for field in headers if field[0].startswith(OWN)]
    if not named:
        return Visitor(address=address), headers
    handle = next((value.decode("ascii") for name, value in named if name == RUN_FIELD), "")
    user = read_user(value for name, value in named if name == USER_FIELD)
    return Visitor(user, handle, address), [field for field in headers if not field[0].startswith(OWN)]


def file_id(path: str) -> str:
    """The id of a file in Streamlit's store, from its URL."""
    return posixpath.splitext(posixpath.basename(path))[0]


async def refuse(scope: Scope, send: Send) -> None:
    """Answer as if there were no such thing."""
    body = b"" if scope["method"] == "HEAD" else b"Not found.\n"
    fields = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 404, "headers": fields})
    await send({"type": "http.response.body", "body": body})
