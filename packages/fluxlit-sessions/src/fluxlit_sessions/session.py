"""Sessions and lines of listings, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final


class Keep(Enum):
    """The type of `KEEP`."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP
"""Leave the subject as it is."""


LAST_MS = 253_402_300_799_000
"""The last second of the year 9999, the end of `datetime`."""


def at(milliseconds: int) -> datetime:
    """Returns a moment in UTC from milliseconds since the epoch."""
    return datetime.fromtimestamp(max(0, min(milliseconds, LAST_MS)) / 1000, UTC)


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it was when it was read or written.

    Attributes:
        id: the secret that opens it. It is not in the repr; keep it out of logs.
        handle: names it in logs and listings.
        data: the content; a copy, changing it changes nothing in the store.
        version: grows by one with every save; the base for the next.
        subject: the user that it belongs to, `None` when anonymous.
        created_at: aware, UTC, as are the others.
        expires_at: end unless it is used again.
        absolute_expires_at: end in any case.
    """

    id: str = field(repr=False)
    handle: str
    data: dict[str, Any] = field(repr=False)
    version: int
    subject: str | None
    created_at: datetime
    expires_at: datetime
    absolute_expires_at: datetime


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One line of a listing. It holds nothing that opens the session.

    Attributes:
        handle: names the session; `revoke` takes it.
        subject: the user that it belongs to, `None` when anonymous.
        version: number of writes.
        size: bytes of its stored data.
        created_at: aware, UTC, as are the others.
        touched_at: its last recorded use.
        expires_at: end unless it is used again.
        readable: false if no key of this process decrypts the subject, which is `None` then.
    """

    handle: str
    subject: str | None
    version: int
    size: int
    created_at: datetime
    touched_at: datetime
    expires_at: datetime
    readable: bool = True
