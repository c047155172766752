"""What a page holds: `UrlSession`, a mapping, and `ModelSession`, one Pydantic model."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Literal, Protocol, Self, TypeVar

from fluxlit_sessions.binding import Binding
from fluxlit_sessions.errors import (
    SessionConflict,
    SessionDataError,
    SessionKeyConflict,
    SessionModelError,
    SessionNotFound,
    SessionStoreFull,
)
from fluxlit_sessions.kept import MARK, Choice, Kept
from fluxlit_sessions.session import KEEP, Keep
from fluxlit_sessions.visitor import Visitor

logger = logging.getLogger("fluxlit_sessions")

Outage = Literal["banner", "raise"]

NOTICE_S = 5.0
"""How long a notice comes back in runs that are cut off, in seconds."""

RESERVED = "$"
"""Start of the keys in a session's data that are not the page's own."""

MODEL_VERSION = "$model"

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


class Model(Protocol):
    """What is used of a Pydantic model."""

    @classmethod
    def model_validate_json(cls, json_data: str) -> Self:
        """Makes one out of JSON, or raises `ValueError`."""
        ...

    def model_dump_json(self, *, round_trip: bool = False) -> str:
        """Writes it as JSON."""
        ...


M = TypeVar("M", bound=Model)
Migrate = Callable[[dict[str, Any], int], Mapping[str, Any]]
"""Turns data of an older model into data of the present one: (data as JSON has it, its version) -> data."""


class Bound:
    """A session bound to a tab: what mapping and model have in common.

    Use it in ``with`` around the page, so that what is changed in place is saved at its end, however it ends.

    Attributes:
        visitor: the tab.
    """

    def __init__(self, binding: Binding, visitor: Visitor, keep: Choice, outage: Outage) -> None:
        self._binding = binding
        self._memory = binding.memory
        self._visitor = visitor
        self._kept = Kept(visitor.st.session_state, binding.memory, keep)
        self._on_outage = outage
        self._warned = False
        self._told: set[str] = set()
        self._start()

    @property
    def handle(self) -> str | None:
        """Names the session in logs and listings, `None` while there is none. It opens nothing."""
        return self._memory.session.handle if self._memory.session else None

    @property
    def user(self) -> str | None:
        """The user that the session belongs to, or would belong to."""
        return self._visitor.user

    @property
    def available(self) -> bool:
        """Whether the store could be used so far in this run."""
        return self._binding.outage is None

    def href(self, url: str) -> str:
        """Returns a URL of this application that leads to the same session.

        For plain links only: navigation, page links and `st.switch_page` keep the session by themselves.
        """
        return self._visitor.href(url, self._memory.session.id if self._memory.session else None)

    def save(self) -> None:
        """Saves what has changed; does nothing if nothing has.

        Raises:
            SessionKeyConflict: the same keys were changed elsewhere at the same time.
            SessionNotFound: the session is gone.
            SessionDataError, SessionTooLarge: the data cannot be stored.
            SessionStoreUnavailable: only with ``outage="raise"``; else a banner says so, and the next run saves.
        """
        self._kept.capture()
        self._save_own()

    def rotate(self, *, subject: str | Keep | None = KEEP) -> None:
        """Gives the session a new id, after a change of rights. Other tabs on the old one have no session then.

        Args:
            subject: the user that it belongs to from now on; by default as before.

        Raises:
            SessionStoreUnavailable: the old id may live on.
            SessionKeyConflict, SessionNotFound, SessionDataError, SessionTooLarge: as for `save`.
        """
        self._kept.capture()
        self._into_data()
        self._report(self._binding.rotate(subject))

    def end(self) -> None:
        """Ends the session for all tabs, and drops what came out of it in this one.

        Raises:
            SessionStoreUnavailable: the session may live on.
        """
        self._binding.end()
        self._kept.restore()

    def __enter__(self) -> Self:
        self._memory.forgotten = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # st.rerun and st.stop arrive here as exceptions, and go on. After them Streamlit refuses to show anything, and
        # to let st.session_state be changed: what there is to tell or to restore is left to the next run.
        ended_by_page = kind is not None and not issubclass(kind, Exception)
        self._finish()
        if self._kept.interruption is not None and not ended_by_page:
            raise self._kept.interruption
        if not ended_by_page:
            if self._memory.revision != self._began:
                self._kept.restore()
            self._show_notices()
            for text in self._told:
                self._memory.notices.pop(text, None)
            self._check_outage()

    def _finish(self) -> None:
        """Saves what there is to save; a problem becomes a notice."""
        if self._binding.gone is not None:
            return
        try:
            self._kept.capture()
            self._into_data()
            self._note(self._save_what_fits())
        except SessionNotFound:
            pass  # noted by the binding
        except (SessionDataError, SessionConflict) as problem:
            logger.warning("%s", problem)
            self._memory.notice(UNSAVED.format(reason=problem))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.handle}>"

    def _start(self) -> None:
        if self._memory.forgotten:
            logger.warning("url_session(persist=...) keeps nothing unless it is used in `with`")
        self._memory.forgotten = self._kept.wanted
        if self._memory.ended:
            self._kept.restore()
        self._kept.capture()
        self._note(self._open_what_fits())
        self._kept.restore()
        self._began = self._memory.revision
        self._binding.show()
        self._show_notices()
        self._check_outage()

    def _save_own(self) -> None:
        self._into_data()
        self._report(self._binding.save())
        self._check_outage()

    def _into_data(self) -> None:
        """Brings what the page holds in another form into the data."""

    def _open_what_fits(self) -> tuple[str, ...]:
        while True:
            try:
                return self._binding.open()
            except SessionDataError as error:
                if not self._kept.drop(error):
                    raise

    def _save_what_fits(self) -> tuple[str, ...]:
        while True:
            try:
                return self._binding.save()
            except SessionDataError as error:
                if not self._kept.drop(error):
                    raise

    def _report(self, conflicts: tuple[str, ...]) -> None:
        if conflicts:
            raise SessionKeyConflict(self.handle or "", [_readable(key) for key in conflicts])

    def _note(self, conflicts: tuple[str, ...]) -> None:
        if conflicts:
            keys = ", ".join(f"`{_readable(key)}`" for key in conflicts)
            logger.warning("session %s: changed in two tabs at once: %s", self.handle, keys)
            self._memory.notice(CONFLICT.format(keys=keys))

    def _show_notices(self) -> None:
        # A run that st.rerun or the next click ends takes what it has shown off the page at once. So a notice is shown
        # again until a run has come to its end with it, or somebody has had the time to read it.
        now, notices = time.monotonic(), self._memory.notices
        for text, told in list(notices.items()):
            if told and now - told > NOTICE_S:
                del notices[text]
            elif text not in self._told:
                self._told.add(text)
                self._visitor.st.warning(text, icon=":material/history:")
                notices[text] = told or now

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


class UrlSession(Bound, MutableMapping[str, Any]):
    """The visitor's session as a mapping from names to values that a store can keep.

    An assignment is saved before it returns. What is changed in place, ``session["cart"].append(...)``, is saved at
    the end of the ``with`` block or by `save`. The first write creates the session and puts its id into the URL.
    """

    def __getitem__(self, key: str) -> Any:
        return self._memory.data[_own(key)]

    def __setitem__(self, key: str, value: Any) -> None:
        self._memory.data[_own(key)] = value
        self._save_own()

    def __delitem__(self, key: str) -> None:
        del self._memory.data[_own(key)]
        self._save_own()

    def __iter__(self) -> Iterator[str]:
        return iter([key for key in self._memory.data if not key.startswith(RESERVED)])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and not key.startswith(RESERVED) and key in self._memory.data

    def update(self, *arguments: Any, **values: Any) -> None:
        """Sets several keys, saved together."""
        given = dict(*arguments, **values)
        self._memory.data.update({_own(key): value for key, value in given.items()})
        self._save_own()

    def clear(self) -> None:
        """Removes all keys, saved together. The session stays; see `end`."""
        for key in self:
            del self._memory.data[key]
        self._save_own()

    def change(self, key: str, function: Callable[[Any], Any], default: Any = None) -> Any:
        """Replaces a value by what a function makes of it; nothing that another tab does in between gets lost.

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


@dataclass(frozen=True)
class Schema(Generic[M]):
    """A model, and how its data got to be what it is.

    Attributes:
        model: the Pydantic model; every field has a default.
        version: of the model in this code.
        migrate: brings data of older versions up to date.
    """

    model: type[M]
    version: int
    migrate: Migrate | None

    def load(self, data: Mapping[str, Any]) -> M:
        """Returns the model that stored data stands for."""
        stored = data.get(MODEL_VERSION)
        fields = {key: value for key, value in data.items() if not key.startswith(RESERVED)}
        if stored is not None and stored < self.version and self.migrate is not None:
            fields = dict(self.migrate(fields, stored))
        try:
            return self.model.model_validate_json(json.dumps(fields))
        except ValueError as error:  # Pydantic's ValidationError is one
            raise SessionModelError(self.model.__name__, stored or 0, self.version, str(error)) from error

    def store(self, value: M, data: dict[str, Any]) -> None:
        """Writes a model into the data of a session.

        Fields that this model does not have stay: a newer replica may have written them. Those of an older version
        go, for migration has made something else of them.
        """
        stored = data.get(MODEL_VERSION)
        if stored is not None and stored < self.version:
            for key in [key for key in data if not key.startswith(RESERVED)]:
                del data[key]
        data.update(json.loads(value.model_dump_json(round_trip=True)))
        data[MODEL_VERSION] = max(stored or 0, self.version)


class ModelSession(Bound, Generic[M]):
    """The visitor's session as one Pydantic model, `value`.

    Change it in place within the ``with`` block, or assign a new one. Changes of different fields in two tabs come
    together; the fields are the keys.
    """

    def __init__(self, schema: Schema[M], *arguments: Any) -> None:
        self._schema = schema
        self._value: M | None = None
        self._revision = -1
        super().__init__(*arguments)

    @property
    def value(self) -> M:
        """The model.

        Raises:
            SessionModelError: what is stored does not fit it.
        """
        if self._value is None or self._revision != self._memory.revision:
            self._value = self._schema.load(self._memory.data)
            self._loaded = self._dumped()
            self._revision = self._memory.revision
        return self._value

    @value.setter
    def value(self, value: M) -> None:
        self._value, self._revision = value, self._memory.revision
        self._loaded = None
        self._save_own()

    def change(self, function: Callable[[M], M | None]) -> M:
        """Lets a function change the model, again until nobody else came in between, and saves it.

        Args:
            function: changes the model in place, or returns another. It may be called more than once.

        Returns:
            The model as it was saved.

        Raises:
            SessionError: as for `save`, except a conflict.
        """
        while True:
            self._revision = -1
            value = function(self.value)
            if value is not None:
                self._value = value
            self._into_data()
            if not self._binding.save():
                self._check_outage()
                return self.value

    def _dumped(self) -> str | None:
        return None if self._value is None else self._value.model_dump_json(round_trip=True)

    def _into_data(self) -> None:
        # Only what the page has changed: a model that was merely read must not create a session.
        if self._value is not None and self._revision == self._memory.revision and self._dumped() != self._loaded:
            self._schema.store(self._value, self._memory.data)
            self._loaded = self._dumped()


def _readable(key: str) -> str:
    return key.removeprefix(MARK)


def _own(key: str) -> str:
    if key.startswith(RESERVED):
        raise KeyError(f"{key!r}: a key of a session is a text that does not start with {RESERVED}")
    return key
