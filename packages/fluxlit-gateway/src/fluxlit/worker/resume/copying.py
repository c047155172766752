"""Copy the sessions of this process, and restore those of others.

Before a WebSocket reaches Streamlit, `look_first` looks whether there is a copy of the session that it names, so that
Streamlit's own code, which does not wait, has the result at hand when it connects:

==========================  ==========================  ==============================================================
this process has it         the store has                then
==========================  ==========================  ==============================================================
no                          no copy                      a new session; what the browser said is never adopted
no                          a copy of the same user      the session is made anew, under its id (*)
no                          a copy of another user       a new session; the copy stays as it is
yes                         our copy, or none            Streamlit goes on with the session
yes                         another process's copy       ours is out of date and dropped; it is made anew
yes                         no reply                     Streamlit goes on; the writer will notice if it is outdated
no                          no reply                     503: the browser tries again, and keeps its session's id
==========================  ==========================  ==============================================================

(*) All or nothing: a part of a session can break a page for good, where an empty one is what it begins with anyway. So
the session begins empty, as with plain Streamlit, if values of its state could not be copied and none of its pages has
called `restored_session`. And if the first run of a restored session raises, it is emptied, and the run is repeated.
The same holds for a copy that another release of Streamlit has made, if the page does not have all its widgets under
their ids then: their values would be missing beside those of the state. A copy in another layout is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

from fluxlit._internal.asgi import Application, Receive, Scope, Send
from fluxlit._internal.peer import is_loopback
from fluxlit._internal.responses import answer_unavailable
from fluxlit._internal.streamlit_paths import STREAM
from fluxlit.pages.restored_session import ASKS, restored_note
from fluxlit.sessions import SessionCopies, SessionCopy
from fluxlit.streamlit import messages, reloaded_session, session_content, session_manager, session_runs
from fluxlit.streamlit.session_content import SessionContent
from fluxlit.worker.resume.commit_barrier import CommitBarrier
from fluxlit.worker.resume.tab_reload import RELOADED, with_script
from fluxlit.worker.resume.warm_up import WarmUp

logger = logging.getLogger("fluxlit.ui")

AWAY = (
    "The server that keeps your session does not answer. You can go on; what you do is saved as soon as it answers "
    "again. Until then, keep this tab open."
)
BACK = "The server that keeps your session answers again, and everything is saved."
MOVED = 1012
"""Service restart (RFC 6455, IANA registry): Streamlit's front end connects again, with the id of its session."""

FLUSH_S = 3.0
RENDER_S = 0.3
"""By then a browser has shown the message before."""

LAYOUT = 1
"""Of the groups in a copy. A change that a former release would read wrongly gets another number."""


class Copying:
    """Copies and restores the sessions of one Streamlit runtime.

    Belongs to its event loop, where nothing else is stated.

    Args:
        make_copies: makes the copies, given the object that is notified of their fate.
        base: public mount, if a tab that is loaded again goes on with its session; else `None`.
    """

    def __init__(self, make_copies: Callable[[Any], SessionCopies], base: str | None = None) -> None:
        self._base = base
        self._reloaded: ContextVar[bool] = ContextVar("fluxlit_reloaded", default=False)
        self._address: ContextVar[str | None] = ContextVar("fluxlit_address", default=None)
        self._found: ContextVar[Any] = ContextVar("fluxlit_found", default=None)
        self._copies = make_copies(self)
        self._copy_of: weakref.WeakKeyDictionary[Any, SessionCopy] = weakref.WeakKeyDictionary()
        self._session_of: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
        self._barriers: weakref.WeakSet[CommitBarrier] = weakref.WeakSet()
        self._told: weakref.WeakSet[Any] = weakref.WeakSet()
        self._manager: Any = None
        self._tasks: set[asyncio.Task[None]] = set()

    def attach(self, runtime: Any) -> None:
        """Take part in the life of a runtime's sessions."""
        self._loop = asyncio.get_running_loop()
        manager = self._manager = session_manager.manager_of(runtime)
        self._connect = manager.connect_session
        disconnect = manager.disconnect_session

        def disconnect_session(session_id: str) -> None:
            self._left(session_id)
            disconnect(session_id)

        manager.connect_session = self._connect_session
        manager.disconnect_session = disconnect_session
        session_manager.hear_logouts(manager, self._logged_out)

    @property
    def down(self) -> bool:
        """The session store is away."""
        return self._copies.down

    async def close(self) -> None:
        """Write what has not been written yet."""
        if not await self._copies.aclose(FLUSH_S):
            logger.warning("This worker ends although some sessions could not be copied to the session store.")

    # --- before Streamlit connects

    def look_first(self, app: Application) -> Application:
        """Wrap `app`: look for the session of a WebSocket before it connects."""

        async def looking(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "websocket" or not scope["path"].endswith(STREAM):
                await app(scope, receive, send)
                return
            # Each connection has a task of its own, and so its own values of these.
            self._address.set(address_of(scope))
            _, _, name, mark = ([protocol.strip() for protocol in scope.get("subprotocols", ())] + [""] * 4)[:4]
            if not name:
                await app(scope, receive, send)
            elif await self._look(name):
                self._reloaded.set(mark == RELOADED)
                await app(scope, receive, send)
            else:
                await receive()
                await answer_unavailable(scope, send)

        return looking if self._base is None else with_script(looking, self._base)

    async def _look(self, session_id: str) -> bool:
        """Look for a copy; `False` where one is needed and the store is away."""
        try:
            self._found.set(await self._copies.look(session_id))
        except Exception as error:  # noqa: BLE001 - another package's: an outage, or a copy that cannot be read
            here = session_manager.live_session(self._manager, session_id) is not None
            logger.log(
                logging.INFO if here else logging.WARNING,
                "A browser comes back, and the session store cannot say what it had: %s",
                error,
            )
            return here or not is_outage(error)
        return True

    # --- when it does

    def _connect_session(
        self,
        client: Any,
        script_data: Any,
        user_info: Any,
        existing_session_id: str | None = None,
        session_id_override: str | None = None,
    ) -> str:
        plain = {"client": client, "script_data": script_data, "user_info": user_info}
        found = self._found.get()
        self._found.set(None)  # it may be large, and the connection may last
        connected: str | None = None
        if existing_session_id is not None and found is not None:
            connected = self._resume(existing_session_id, found, plain)
        if connected is None:
            connected = self._connect(
                **plain, existing_session_id=existing_session_id, session_id_override=session_id_override
            )
            if connected == existing_session_id and self._reloaded.get():
                session = session_manager.live_session(self._manager, connected)
                warm_up = session_manager.attached(session, "warm_up")
                reloaded_session.begin_again(session, None if warm_up is None else warm_up.give_up())
        session = session_manager.live_session(self._manager, connected)
        copy = self._copy_of.get(session)
        if copy is None:
            copy = self._keep(session, self._copies.begin(connected, user_info, self._address.get()))
        copy.attached = True
        barrier = CommitBarrier(client, copy, lambda: self._copies.down, self._say_away(client, copy))
        self._barriers.add(barrier)
        session_manager.attach(client, "barrier", barrier)
        if (warm_up := session_manager.attached(session, "warm_up")) is not None:
            warm_up.ask(client)
        return connected

    def _resume(self, session_id: str, found: Any, plain: Mapping[str, Any]) -> str | None:
        """Restore a session; `None` if ours is right or the user is another."""
        here = session_manager.live_session(self._manager, session_id)
        ours = None if here is None else self._copy_of.get(here)
        if here is not None and (ours is None or ours.owner == found.owner):
            return None
        try:
            taken = self._copies.take_over(session_id, found, plain["user_info"], self._address.get())
            if taken is None:
                return None
            copy, groups = taken
            content, release = content_of(groups), groups["page"]["streamlit"]
        except Exception as error:  # noqa: BLE001 - another package's, or a copy of another release of this one
            logger.warning("The copy of a session cannot be read, and a new session begins: %r", error)
            return None
        if here is not None:
            self._drop(session_id, ours)
        connected: str = self._connect(**plain, existing_session_id=None, session_id_override=session_id)
        session = session_manager.live_session(self._manager, connected)
        if connected != session_id:
            return connected
        missing = sorted(name for name, why in groups["lost"].items() if why != session_content.UPLOADS_STAY)
        if missing and not groups["page"].get("asks"):
            self._keep(session, copy)
            logger.warning(
                "A session begins anew, as its copy lacks values: %s. A page that calls restored_session() gets the "
                "others.",
                ", ".join(missing),
            )
            return connected
        session_content.write(session, content, restored_note(groups["lost"], found.saved_at))
        self._keep(session, copy)
        trial = RestoreCheck.of(content, release)
        session_manager.attach(session, "on_trial", trial)
        session_manager.attach(session, "restored", True)
        if self._reloaded.get():  # nothing was pressed on a page that is not there yet
            reloaded_session.begin_again(session, content)
        else:
            session_manager.attach(session, "warm_up", WarmUp(session, content, foreign=trial.foreign))
        self._copies.submit(copy)
        logger.info("A session has been restored from its copy in the session store.")
        return connected

    def _keep(self, session: Any, copy: SessionCopy) -> SessionCopy:
        self._copy_of[session] = copy
        self._session_of[copy.owner] = session
        session_runs.watch(session, self._run_ended)
        return copy

    # --- while it lives

    def _run_ended(self, session: Any) -> None:
        """Called in the thread of the script."""
        copy, warm_up = self._copy_of.get(session), session_manager.attached(session, "warm_up")
        warming = warm_up is not None and warm_up.under_way
        if copy is None or self._has_failed_trial(session, warming=warming) or warming:
            return
        try:
            content = session_content.read(session)
            if copy.put(content.state, groups_of(content), content.lost):
                self._copies.submit(copy)
        except Exception:  # with any content of a session, its run must come to its end
            logger.exception("A session could not be copied.")

    def _has_failed_trial(self, session: Any, *, warming: bool) -> bool:
        """Empty a restored session that fails in its first run, and repeat that."""
        trial: RestoreCheck | None = session_manager.attached(session, "on_trial")
        if trial is None:
            return False
        failure = trial.failure(session)
        if failure or not warming:
            session_manager.attach(session, "on_trial", None)
        if failure:
            logger.warning("A restored session %s. It begins anew.", failure)
            session_content.empty(session)
            if not warming:  # else the browser's own request comes next
                self._soon(session_runs.repeat_request, session)
        return bool(failure)

    def _left(self, session_id: str) -> None:
        session = session_manager.live_session(self._manager, session_id)
        copy = None if session is None else self._copy_of.get(session)
        if copy is not None:
            copy.attached = False

    def _logged_out(self, session_id: str) -> None:
        """Called in any thread."""
        session = session_manager.live_session(self._manager, session_id)
        copy = None if session is None else self._copy_of.get(session)
        if copy is not None:
            copy.end()
            self._copies.submit(copy)

    def _drop(self, session_id: str, copy: SessionCopy | None) -> None:
        """End a session that went on elsewhere; its browser connects again."""
        if copy is not None:
            copy.lost = True
        client = session_manager.client_of(self._manager, session_id)
        self._manager.close_session(session_id)
        if client is not None:
            self._close(client)

    # --- when it moves to another process

    def move_idle(self) -> int:
        """Close the WebSockets of sessions that are idle and saved.

        Their browsers connect again, and go on with the worker that takes new work.

        Returns:
            The number of sessions that run, or are still to be saved.
        """
        busy = 0
        for session in list(session_manager.sessions_of(self._manager)):
            client, copy = session_manager.client_of(self._manager, session.id), self._copy_of.get(session)
            if session_manager.attached(client, "moved"):
                continue
            barrier = session_manager.attached(client, "barrier")
            saved = copy is not None and not copy.dirty and not (barrier is not None and barrier.holding)
            if saved and not session_runs.is_running(session) and session_manager.has_been_sent(client):
                session_manager.attach(client, "moved", True)
                self._close(client)
            else:
                busy += 1
        return busy

    def _close(self, client: Any) -> None:
        task = asyncio.create_task(session_manager.close_client(client, MOVED))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what the writer reports, in its threads

    def taken(self, copy: SessionCopy) -> None:
        """Another process has the session."""
        self._soon(self._taken, copy)

    def away(self) -> None:
        """The store cannot be reached."""
        self._soon(self._away)

    def back(self) -> None:
        """The store can be reached again; each copy reports when it is saved."""

    def _soon(self, function: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(function, *arguments)

    def _taken(self, copy: SessionCopy) -> None:
        session = self._session_of.get(copy.owner)
        if session is not None and session_manager.live_session(self._manager, session.id) is session:
            logger.info("A session went on in another process; what this one had of it is dropped.")
            self._drop(session.id, copy)

    def _away(self) -> None:
        for barrier in list(self._barriers):
            barrier.give_up()

    def _say_away(self, client: Any, copy: SessionCopy) -> Callable[[Callable[[Any], None]], None]:
        weak = weakref.ref(client)

        def say(send: Callable[[Any], None]) -> None:
            send(messages.toast(AWAY, ":material/cloud_off:", 0))
            told = weak()
            if told is not None and told not in self._told:
                self._told.add(told)
                # Not only when the store is back: one that is slow has never been away.
                if not copy.call_when_saved(partial(self._soon, self._say_back, told)):
                    self._say_back(told)

        return say

    def _say_back(self, client: Any) -> None:
        self._told.discard(client)
        self._say(client, messages.no_toast())
        self._loop.call_later(RENDER_S, self._say, client, messages.toast(BACK, ":material/cloud_done:", 4))

    def _say(self, client: Any, message: Any) -> None:
        with contextlib.suppress(Exception):  # Streamlit's own for a browser that is gone
            client.write_forward_msg(message)


@dataclass(frozen=True)
class RestoreCheck:
    """What the first run of a restored session must show.

    Attributes:
        release: of Streamlit, by which it was copied.
        foreign: this process has another one.
        widgets: element ids that the page must have.
    """

    release: str
    foreign: bool
    widgets: frozenset[str] = frozenset()

    @classmethod
    def of(cls, content: SessionContent, release: str) -> RestoreCheck:
        """The trial of a copy; ids of widgets may differ between releases."""
        import streamlit  # noqa: PLC0415

        if release == streamlit.__version__:
            return cls(release, foreign=False)
        elsewhere = content.memory.get("widget_pages", {})
        return cls(release, True, frozenset(content.values.keys() | content.wires.keys()) - elsewhere.keys())

    def failure(self, session: Any) -> str:
        """Why the run that has just ended failed, or an empty string."""
        if session_runs.has_raised(session):
            return "raised in its first run"
        if not session_content.has_widgets(session, self.widgets):
            return f"does not fit: Streamlit {self.release}, which copied it, identifies widgets in another way"
        return ""


def is_outage(error: Exception) -> bool:
    """Whether a store's error means that it could not be reached.

    Errors of other packages are recognised by class name.
    """
    return any(kind.__name__ == "SessionStoreUnavailable" for kind in type(error).__mro__)


def address_of(scope: Scope) -> str | None:
    """The address in the budget of copies; `None` for no single one.

    On this machine that is a proxy that is not trusted, and all its visitors have its address.
    """
    address: str = (scope.get("client") or ("",))[0]
    return None if not address or is_loopback(address) else address


def groups_of(content: SessionContent) -> dict[str, Any]:
    """Everything but the application's own values, as a copy has it."""
    import streamlit  # noqa: PLC0415

    return {
        "page": {
            "layout": LAYOUT,
            "hash": content.page,
            "sent": content.sent,
            "streamlit": streamlit.__version__,
            "serves": content.serves,
            "path": content.path,
            "asks": ASKS in content.notes,
        },
        "keys": dict(content.keys),
        "values": {element: list(value) for element, value in content.values.items()},
        "wires": dict(content.wires),
        "memory": dict(content.memory),
    }


def content_of(groups: Mapping[str, Any]) -> SessionContent:
    """The content to restore.

    Raises:
        KeyError, ValueError: the copy is of a release with another layout.
    """
    page = groups["page"]
    if page.get("layout", LAYOUT) != LAYOUT:
        raise ValueError(f"it has layout {page['layout']}, not {LAYOUT}")
    return SessionContent(
        groups["state"],
        page["hash"],
        groups["keys"],
        {element: (kind, value) for element, (kind, value) in groups["values"].items()},
        groups["wires"],
        groups["memory"],
        page["sent"],
        page["serves"],
        page["path"],
    )
