"""Every error that fluxlit_sessions raises on purpose.

SessionError
├── SessionNotFound          there is no such session (any more)
├── SessionConflict          somebody saved the session since it was read
├── SessionKeyConflict       two tabs changed the same key at the same time
├── SessionModelError        what is stored does not fit the model that a page asks for
├── SessionDataError         a value cannot be stored, or what is stored cannot be read
│   ├── SessionTooLarge      the data of one session exceeds the limit
│   └── SessionSealError     no key of this process opens what is stored
├── SessionStoreUnavailable  the store cannot be reached or does not answer
│   └── SessionStoreFull     the store has no room for what was to be written
└── SessionStoreError        the store is set up wrongly: URL, option, missing package

A session id never appears in a message: ids are secrets. A handle does: it names
a session in logs and listings and opens nothing.
"""

from __future__ import annotations

from collections.abc import Sequence


class SessionError(Exception):
    """Base of all errors that fluxlit_sessions raises on purpose."""


class SessionNotFound(SessionError):
    """The session does not exist: it was deleted, has expired, or was rotated to another id.

    Attributes:
        handle: names the session in logs; `None` when the id was not one of ours at all.
    """

    def __init__(self, handle: str | None) -> None:
        self.handle = handle
        super().__init__(
            f"Session {handle} does not exist any more; start a new one."
            if handle
            else "This is not a session id that a store has minted; start a new session."
        )


class SessionConflict(SessionError):
    """Somebody else saved the session since it was read; nothing was written.

    Attributes:
        handle: names the session in logs.
        expected: the version that the save was based on.
        found: the version that the store holds now.
    """

    def __init__(self, handle: str, *, expected: int, found: int) -> None:
        self.handle = handle
        self.expected = expected
        self.found = found
        super().__init__(
            f"Session {handle} is at version {found}, not {expected}: it was saved elsewhere in the meantime. "
            f"Read it again, apply the change to what is there, and save that."
        )


class SessionKeyConflict(SessionError):
    """The same keys were changed elsewhere at the same time; there, not here, they were saved.

    Attributes:
        handle: names the session in logs.
        keys: the keys; the session holds the values of the other side now.
    """

    def __init__(self, handle: str, keys: Sequence[str]) -> None:
        self.handle = handle
        self.keys = tuple(keys)
        super().__init__(
            f"Session {handle}: {', '.join(map(repr, keys))} changed elsewhere at the same time, in another tab for "
            f"instance, and your change was not saved. Look at the new value and try again. For a value that depends "
            f"on its old one use change(key, function), or resolve conflicts yourself with conflict=."
        )


class SessionModelError(SessionError):
    """What is stored does not fit the model that the page asks for.

    Attributes:
        stored: version of the model by which it was written.
        wanted: version that the page has.
    """

    def __init__(self, model: str, stored: int, wanted: int, reason: str) -> None:
        self.stored = stored
        self.wanted = wanted
        super().__init__(
            f"The session holds {model} of version {stored}; this code has version {wanted}, and it does not fit: "
            f"{reason}. "
            f"Give url_session a migrate= function, and raise model_version with every change of the model that old "
            f"data does not fit."
        )


class SessionDataError(SessionError):
    """A value cannot be stored, or stored data cannot be read back.

    Attributes:
        path: where in the data, such as ``data['cart'][0]``; empty when it is about the whole.
    """

    def __init__(self, message: str, *, path: str = "") -> None:
        self.path = path
        super().__init__(f"{path}: {message}" if path else message)


class SessionTooLarge(SessionDataError):
    """The encoded data of one session exceeds the store's limit.

    Attributes:
        size: bytes of the encoded data.
        limit: bytes that the store accepts (``max_bytes``).
    """

    def __init__(self, size: int, limit: int, largest: str) -> None:
        self.size = size
        self.limit = limit
        super().__init__(
            f"The session's data takes {size} bytes, {limit} are allowed (largest: {largest}). "
            f"Keep large things elsewhere and store a reference, or raise max_bytes."
        )


class SessionSealError(SessionDataError):
    """What is stored does not open with any key of this process: wrong keys, or somebody changed it."""


class SessionStoreUnavailable(SessionError):
    """The store cannot be reached, does not answer in time, or refuses to work.

    It says nothing about whether a session exists. Never treat it as "no session".

    Attributes:
        location: which store, without credentials.
        operation: what was attempted, such as ``save``.
        attempts: how often it was tried.
        may_have_applied: true when a write was sent and its answer never came, so it may or may not have happened.
    """

    _state = "unavailable"

    def __init__(
        self, reason: str, *, location: str, operation: str = "", attempts: int = 1, may_have_applied: bool = False
    ) -> None:
        self.reason = reason
        self.location = location
        self.operation = operation
        self.attempts = attempts
        self.may_have_applied = may_have_applied
        doubt = " The write may or may not have happened." if may_have_applied else ""
        tries = f" after {attempts} attempts" if attempts > 1 else ""
        super().__init__(f"The session store {location} is {self._state}{tries}: {reason}.{doubt}")


class SessionStoreFull(SessionStoreUnavailable):
    """The store has no room for a write; nothing was written. Reading, using and deleting sessions still work.

    `reason` says what is full and what to do about it.
    """

    _state = "full"


class SessionStoreError(SessionError):
    """The store is set up wrongly: an unknown URL, a bad option, a package that is not installed."""
