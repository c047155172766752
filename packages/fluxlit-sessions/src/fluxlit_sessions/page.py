"""The session of a page: `UrlSession`, a mapping, and its base class."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, MutableMapping
from types import TracebackType
from typing import Any, Literal, Self

from fluxlit_sessions.binding import Binding
from fluxlit_sessions.errors import (
    SessionConflict,
    SessionDataError,
    SessionKeyConflict,
    SessionNotFound,
    SessionStoreFull,
)
from fluxlit_sessions.persisted_state import MARK, Choice, PersistedState
from fluxlit_sessions.session import KEEP, Keep
from fluxlit_sessions.visitor import Visitor

logger = logging.getLogger("fluxlit_sessions")

Outage = Literal["banner", "raise"]

NOTICE_S = 5.0
"""Seconds for which interrupted runs show a notice again."""

RESERVED = "$"
"""Prefix of keys in a session's data that pages do not see."""

PAUSED = (
    "**The server that keeps your session does not answer.** You can go on. What you change is kept in this tab and "
    "saved when it answers again; do not close the tab until then."
)
NO_ROOM = (
    "**There is no room to save your changes at the moment.** You can go on. What you change is kept in this tab and "
    "saved as soon as there is room; do not close the tab until then."
)
UNREACHABLE = (
    "**The server that keeps your session does not answer.** Your session is not lost. Please try again in a moment."
)
CONFLICT = "Another tab changed the same at the same time. What it saved was kept, and your last change was not: {keys}"
UNSAVED = "Your last change could not be saved: {reason}"


class PageSession:
    """A session bound to a browser tab, the base of mapping and model.

    Use it in ``with`` around the page, so that changes in place are saved at its end, however it ends.
    """

    def __init__(self, binding: Binding, visitor: Visitor, keep: Choice, outage: Outage) -> None:
        self._binding = binding
        self._tab = binding.tab
        self._visitor = visitor
        self._persisted = PersistedState(visitor.st.session_state, binding.tab, keep)
        self._on_outage = outage
        self._warned = False
        self._shown: set[str] = set()
        self._start()

    @property
    def handle(self) -> str | None:
        """Names the session in logs and listings, `None` without one."""
        return self._tab.session.handle if self._tab.session else None

    @property
    def user(self) -> str | None:
        """The user that the session belongs to, or will belong to."""
        return self._visitor.user

    @property
    def available(self) -> bool:
        """Whether the store could be used so far in this run."""
        return self._binding.outage is None

    def href(self, url: str) -> str:
        """Returns a URL of this application with the id of the session.

        For plain links only: navigation, page links and `st.switch_page` keep the session by themselves.
        """
        return self._visitor.href(url, self._tab.session.id if self._tab.session else None)

    def save(self) -> None:
        """Saves changes, if there are any.

        Raises:
            SessionKeyConflict: the same keys were changed elsewhere at the same time.
            SessionNotFound: the session is gone.
            SessionDataError, SessionTooLarge: the data cannot be stored.
            SessionStoreUnavailable: only with ``outage="raise"``; else the page shows a banner, and the next run saves.
        """
        self._persisted.capture()
        self._save_own()

    def rotate(self, *, subject: str | Keep | None = KEEP) -> None:
        """Gives the session a new id, for a change of rights.

        Tabs with the old id have no session afterwards.

        Args:
            subject: the user that it belongs to from now on; by default as before.

        Raises:
            SessionStoreUnavailable: the old id may live on.
            SessionKeyConflict, SessionNotFound, SessionDataError, SessionTooLarge: as for `save`.
        """
        self._persisted.capture()
        self._into_data()
        self._report(self._binding.rotate(subject))

    def end(self) -> None:
        """Ends the session for all tabs, and drops its data in this one.

        Raises:
            SessionStoreUnavailable: the session may live on.
        """
        self._binding.end()
        self._persisted.restore()

    def __enter__(self) -> Self:
        self._tab.forgotten = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # st.rerun and st.stop arrive here as exceptions, and pass on. After them Streamlit shows nothing and refuses
        # changes of st.session_state: notices and restored values are left to the next run.
        ended_by_page = kind is not None and not issubclass(kind, Exception)
        self._finish()
        if self._persisted.interruption is not None and not ended_by_page:
            raise self._persisted.interruption
        if not ended_by_page:
            if self._tab.revision != self._began:
                self._persisted.restore()
            self._show_notices()
            for text in self._shown:
                self._tab.notices.pop(text, None)
            self._check_outage()

    def _finish(self) -> None:
        """Saves changes; a problem becomes a notice."""
        if self._binding.gone is not None:
            return
        try:
            self._persisted.capture()
            self._into_data()
            self._note(self._without_unfit_keys(self._binding.save))
        except SessionNotFound:
            pass  # noted by the binding
        except (SessionDataError, SessionConflict) as problem:
            logger.warning("%s", problem)
            self._tab.notice(UNSAVED.format(reason=problem))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.handle}>"

    def _start(self) -> None:
        if self._tab.forgotten:
            logger.warning("url_session(persist=...) saves nothing unless it is used in `with`")
        self._tab.forgotten = self._persisted.wanted
        if self._tab.ended:
            self._persisted.restore()
        self._persisted.capture()
        self._note(self._without_unfit_keys(self._binding.open))
        self._persisted.restore()
        self._began = self._tab.revision
        self._binding.show()
        self._show_notices()
        self._check_outage()

    def _save_own(self) -> None:
        self._into_data()
        self._report(self._binding.save())
        self._check_outage()

    def _into_data(self) -> None:
        """Writes what the page holds in another form into the data."""

    def _without_unfit_keys(self, operation: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
        while True:
            try:
                return operation()
            except SessionDataError as error:
                if not self._persisted.drop(error):
                    raise

    def _report(self, conflicts: tuple[str, ...]) -> None:
        if conflicts:
            raise SessionKeyConflict(self.handle or "", [_readable(key) for key in conflicts])

    def _note(self, conflicts: tuple[str, ...]) -> None:
        if conflicts:
            keys = ", ".join(f"`{_readable(key)}`" for key in conflicts)
            logger.warning("session %s: changed in two tabs at once: %s", self.handle, keys)
            self._tab.notice(CONFLICT.format(keys=keys))

    def _show_notices(self) -> None:
        # A run that st.rerun or the next click ends removes what it has shown from the page at once. So a notice is
        # shown again until a run has completed with it, or the user has had time to read it.
        now, notices = time.monotonic(), self._tab.notices
        for text, shown in list(notices.items()):
            if shown and now - shown > NOTICE_S:
                del notices[text]
            elif text not in self._shown:
                self._shown.add(text)
                self._visitor.st.warning(text, icon=":material/history:")
                notices[text] = shown or now

    def _check_outage(self) -> None:
        outage, st = self._binding.outage, self._visitor.st
        if outage is None:
            return
        if self._on_outage == "raise":
            raise outage
        if not self._binding.known:
            st.error(UNREACHABLE, icon=":material/cloud_off:")
            st.button("Try again", key="_fluxlit_try_again")
            st.stop()
        if not self._warned:
            self._warned = True
            st.warning(NO_ROOM if isinstance(outage, SessionStoreFull) else PAUSED, icon=":material/cloud_off:")


class UrlSession(PageSession, MutableMapping[str, Any]):
    """The visitor's session as a mapping from names to storable values.

    An assignment is saved before it returns. A change in place, ``session["cart"].append(...)``, is saved at the end
    of the ``with`` block or by `save`. The first write creates the session and puts its id into the URL.
    """

    def __getitem__(self, key: str) -> Any:
        return self._tab.data[_own(key)]

    def __setitem__(self, key: str, value: Any) -> None:
        self._tab.data[_own(key)] = value
        self._save_own()

    def __delitem__(self, key: str) -> None:
        del self._tab.data[_own(key)]
        self._save_own()

    def __iter__(self) -> Iterator[str]:
        return iter([key for key in self._tab.data if not key.startswith(RESERVED)])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and not key.startswith(RESERVED) and key in self._tab.data

    def update(self, *arguments: Any, **values: Any) -> None:
        """Sets several keys, saved together."""
        given = dict(*arguments, **values)
        self._tab.data.update({_own(key): value for key, value in given.items()})
        self._save_own()

    def clear(self) -> None:
        """Removes all keys, saved together. The session stays; see `end`."""
        for key in self:
            del self._tab.data[key]
        self._save_own()

    def change(self, key: str, function: Callable[[Any], Any], default: Any = None) -> Any:
        """Replaces a value by a function of it; keeps other tabs' changes.

        ``session.change("visits", lambda visits: visits + 1, default=0)``

        Args:
            key: which value.
            function: from the old value to the new one. It may be called more than once.
            default: the old value if there is none.

        Returns:
            The new value.

        Raises:
            SessionNotFound, SessionConflict, SessionDataError, SessionTooLarge: as for `save`.
        """
        value = self._binding.change(_own(key), function, default)
        self._check_outage()
        return value


def _readable(key: str) -> str:
    return key.removeprefix(MARK)


def _own(key: str) -> str:
    if key.startswith(RESERVED):
        raise KeyError(f"{key!r}: a key of a session is a string that does not start with {RESERVED}")
    return key
