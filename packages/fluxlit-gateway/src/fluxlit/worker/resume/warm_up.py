"""The unseen run of a restored session before its first visible one.

Callbacks and fragments are code, and code comes back by running the page. So the page runs once as it was, with the
old values of its widgets and unseen, before the message of the browser gets through: what was pressed or changed then
meets the callbacks that the person has seen it with.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from fluxlit.streamlit import messages, session_content, session_manager, session_runs
from fluxlit.streamlit.session_content import SessionContent

PATIENCE_S = 1.0
"""A page that runs longer is interrupted as soon as all widgets that the message speaks of have been on it."""

LIMIT_S = 30.0
LOOK_S = 0.005

_running: set[asyncio.Task[None]] = set()


class WarmUp:
    """Runs the page at the browser's first request, then passes that on.

    Args:
        session: Streamlit's, which has not run yet.
        content: what it was made from.
        foreign: another release of Streamlit made that, and the page of the browser may be of it, too.

    Attributes:
        under_way: the unseen run is under way.
    """

    def __init__(self, session: Any, content: SessionContent, *, foreign: bool = False) -> None:
        self._session = session
        self._content = content
        self._asks = content.serves or foreign
        self._queue: list[Any] = []
        self._asked: Any = None
        self.under_way = False
        self._diversion = session_runs.divert_messages(session, self._handle)
        self._let_through = self._diversion.__enter__()

    def ask(self, client: Any) -> None:
        """Have the browser request a run, if it should not wait for its user.

        A download would find nothing, and a page of another release is loaded again at its next run.
        """
        if self._asks:
            self._asked = client
            client.write_forward_msg(messages.ask_for_run())

    def give_up(self) -> SessionContent | None:
        """Do without the unseen run; the content, `None` once it is under way."""
        if self.under_way:
            return None
        self._finish()
        return self._content

    def _handle(self, message: Any) -> None:
        if self.under_way:
            if not messages.is_answer(message):
                self._queue.append(message)
        elif not messages.is_run_request(message):
            self._let_through(message)
        else:
            if messages.is_answer(message):
                message = messages.plain_request(message)
            session_runs.drop_missing_uploads(self._session, message)
            self._queue.append(message)
            if not self._is_needed(message):
                self._finish()
                return
            self.under_way = True
            task = asyncio.create_task(self._run(message))
            _running.add(task)
            task.add_done_callback(_running.discard)

    def _is_needed(self, message: Any) -> bool:
        content = self._content
        if not (content.values or content.wires or messages.needs_widgets(message)):
            return False
        return messages.needs_widgets(message) or messages.mark_states(message) != content.sent

    async def _run(self, message: Any) -> None:
        try:
            with session_runs.unseen(self._session):
                session_runs.run_as_before(self._session, self._content, message)
                await self._wait(message)
        finally:
            self.under_way = False
            self._finish()

    async def _wait(self, message: Any) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        while session_runs.is_running(self._session):
            await asyncio.sleep(LOOK_S)
            took = loop.time() - started
            enough = took > PATIENCE_S and session_content.knows_widgets(self._session, message)
            if enough or took > LIMIT_S:
                return

    def _finish(self) -> None:
        self._diversion.__exit__(None, None, None)
        if self._asked is not None:
            with contextlib.suppress(Exception):  # Streamlit's own for a browser that is gone
                self._asked.write_forward_msg(messages.stop_asking())
            self._asked = None
        session_manager.attach(self._session, "warm_up", None)
        for message in self._queue:
            self._session.handle_backmsg(message)
