"""Live connections of users: WebSockets, and responses in parts.

They outlive the moment in which their user was checked.

Each is known here by the login session that opened it. When that session ends, when its time is over, or when the
user has other roles than before, the connection is closed. A WebSocket over which a user works counts as activity:
its credentials are checked again half-way to their end, which keeps the session of a user alive who clicks and never
reloads. One over which nothing comes is left to end.

A WebSocket of the UI also has a handle: a random name by which calls of its pages are recognised on the private
socket. It means nothing anywhere else, and nothing any more once the WebSocket is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable

from fluxlit._internal.asgi import Application, Message, Receive, Scope, Send
from fluxlit._internal.websocket_tunnel import Tunnelling
from fluxlit.auth.contract import User

logger = logging.getLogger("fluxlit.login")

POLICY_VIOLATION = 1008
REASON = "the login has ended"

LOOK_S = 0.5
"""Seconds between two looks at the clock; a connection is closed at most so much after its time."""

Recheck = Callable[[Scope], Awaitable[tuple[User | None, bool]]]
"""Judges a request again: the user, and whether that is certain; it is not while a session store does not answer."""


class Connection:
    """One open connection of a user.

    Args:
        user: who opened it.
        scope: its request as the authenticator saw it.
        tunnelling: counts the messages that pass without the application.

    Attributes:
        user: who opened it, as of the last check.
        scope: as given.
        handle: what the pages behind it call it.
        checked: when its credentials were judged last, in seconds since the epoch.
    """

    def __init__(self, user: User, scope: Scope, tunnelling: Tunnelling | None = None) -> None:
        self.user = user
        self.handle = secrets.token_urlsafe(32)
        self.scope = scope
        self.checked = time.time()
        self._tunnelling = tunnelling
        self._messages = self._messages_checked = 0
        self._task: asyncio.Task[object] | None = None
        self._ended = False

    @property
    def active(self) -> bool:
        """Whether a message has come over it since it was checked."""
        return self._received() != self._messages_checked

    def check(self, now: float) -> None:
        """Note that the credentials are judged again."""
        self.checked = now
        self._messages_checked = self._received()

    def _received(self) -> int:
        tunnel = self._tunnelling.received if self._tunnelling is not None else None
        return self._messages + (tunnel.messages if tunnel is not None else 0)

    async def serve(self, application: Application, scope: Scope, receive: Receive, send: Send) -> None:
        """Run a WebSocket's application until it returns, or until `end`."""
        self._task = asyncio.current_task()

        async def receiving() -> Message:
            message = await receive()
            self._messages += message["type"] == "websocket.receive"
            return message

        try:
            await application(scope, receiving, send)
        except asyncio.CancelledError:
            if not self._was_ended():
                raise
            with contextlib.suppress(OSError, RuntimeError):  # the browser may have left in the same moment
                await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": REASON})
        finally:
            self._task = None

    async def stream(self, application: Application, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application of an HTTP request likewise; it is cut short."""
        self._task = asyncio.current_task()
        try:
            await application(scope, receive, send)
        except asyncio.CancelledError:
            if not self._was_ended():
                raise
        finally:
            self._task = None

    def _was_ended(self) -> bool:
        return self._ended and self._task is not None and self._task.uncancel() == 0

    def end(self) -> None:
        """Close the connection at once."""
        if not self._ended and self._task is not None:
            self._ended = True
            self._task.cancel()


class Connections:
    """All connections of logged-in users in this process.

    Args:
        recheck: judges a request again.
        wall: the clock, in seconds since the epoch.
    """

    def __init__(self, recheck: Recheck, wall: Callable[[], float] = time.time) -> None:
        self._recheck = recheck
        self._wall = wall
        self._open: dict[str, Connection] = {}
        # Thousands of logins may end at once, and each is looked for.
        self._by_session: dict[str, set[Connection]] = {}
        self._checks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        """Know a connection from now on; adding it again changes nothing."""
        if connection.handle in self._open:
            return
        connection.checked = self._wall()
        self._open[connection.handle] = connection
        if connection.user.session is not None:
            self._by_session.setdefault(connection.user.session, set()).add(connection)

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is over."""
        self._open.pop(connection.handle, None)
        session = connection.user.session
        if session is not None and (others := self._by_session.get(session)) is not None:
            others.discard(connection)
            if not others:
                del self._by_session[session]

    def find(self, handle: str) -> User | None:
        """The user behind a handle, while the WebSocket is open."""
        connection = self._open.get(handle)
        return connection.user if connection is not None else None

    def end(self, session: str) -> int:
        """Close all connections of a login session; how many there were."""
        ending = list(self._by_session.get(session, ()))
        for connection in ending:
            self._end(connection)
        return len(ending)

    async def watch(self) -> None:
        """Close expired connections and renew those in use, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Look at the clock once."""
        now = self._wall()
        for connection in list(self._open.values()):
            end = connection.user.expires_at
            if end is None:
                continue
            if now >= end:
                self._end(connection)
            elif connection.active and now - connection.checked >= (end - connection.checked) / 2:
                connection.check(now)
                task = asyncio.create_task(self._check(connection))
                self._checks.add(task)
                task.add_done_callback(self._checks.discard)

    async def _check(self, connection: Connection) -> None:
        now, certain = await self._recheck(connection.scope)
        if not certain:
            return
        if now is None or identity(now) != identity(connection.user):
            self._end(connection)
        else:
            connection.user = now

    def _end(self, connection: Connection) -> None:
        self.remove(connection)  # at once: its pages' calls must not go on either
        connection.end()


def identity(user: User) -> tuple[object, ...]:
    """What must stay the same for a connection to stay open."""
    return user.issuer, user.subject, user.roles, user.session
