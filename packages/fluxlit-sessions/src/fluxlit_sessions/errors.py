"""Every error that fluxlit_sessions raises on purpose.

SessionError
├── SessionNotFound          the session does not exist, or not any more
├── SessionConflict          the session was saved elsewhere since it was read
├── SessionKeyConflict       two tabs changed the same key at the same time
├── SessionModelError        the stored data does not fit the model of the page
├── SessionDataError         a value cannot be stored, or stored data cannot be read
│   ├── SessionTooLarge      the data of one session exceeds the limit
│   └── SessionSealError     no key of this process decrypts the stored data
├── SessionStoreUnavailable  the store cannot be reached or does not answer
│   └── SessionStoreFull     the store has no room for a write
└── SessionStoreError        the store is set up wrongly: URL, option, missing package

A session id never appears in a message: ids are secrets. A handle does: it names
a session in logs and listings and opens nothing.
"""

from __future__ import annotations

from collections.abc import Sequence


class SessionError(Exception):
    """Base of all errors that fluxlit_sessions raises on purpose."""


class SessionNotFound(SessionError):
    """The session was deleted, has expired, or was rotated to another id.

    Attributes:
        handle: names the session in logs; `None` for an id that no store has minted.
    """

    def __init__(self, handle: str | None) -> None:
        self.handle = handle
        super().__init__(
            f"Session {handle} does not exist any more; start a new one."
            if handle
            else "This is not a session id that a store has minted; start a new session."
        )


class SessionConflict(SessionError):
    """The session was saved elsewhere since it was read; nothing was written.

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
    """The same keys were changed elsewhere at the same time, and saved there.

    Attributes:
        handle: names the session in logs.
        keys: in conflict; the session has the values of the other tab now.
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
    """The stored data does not fit the model of the page.

    Attributes:
        stored: version of the model that wrote the data.
        wanted: version of the model of the page.
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
        path: place in the data, such as ``data['cart'][0]``; empty for all of it.
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
    """Stored data cannot be decrypted: wrong keys, or it was changed."""


class SessionStoreUnavailable(SessionError):
    """The store is unreachable, too slow, or refuses to work.

    Whether a session exists is unknown. Never treat this as "no session".

    Attributes:
        location: which store, without credentials.
        operation: such as ``save``.
        attempts: number of attempts.
        may_have_applied: a write was sent and its response is missing, so it may or may not have happened.
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
    """The store has no room for a write; nothing was written.

    Sessions can still be read, used and deleted. `reason` names what is full and the remedy.
    """

    _state = "full"


class SessionStoreError(SessionError):
    """The store is misconfigured: URL, option, or missing package."""
