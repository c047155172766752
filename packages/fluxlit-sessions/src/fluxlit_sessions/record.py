"""The record of one session, and its layout in bytes.

The layout is used by stores that keep one value per key (Redis). Its Lua scripts read
and write the same fields, so `HEAD` here and ``HEAD`` in redis/scripts.py change together.

History: each write leaves a random token, newest first. The token at position i was
written with version (current - i). A client that missed the response to its write
repeats it with the same token: the store then reports success instead of a conflict
of the client with itself.
"""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass, replace

TOKEN_BYTES = 8
HISTORY = 8
NO_TAG = bytes(32)
HEAD = struct.Struct(f">BQQQQQ{TOKEN_BYTES * HISTORY}s32sH")
FORMAT = 1


def new_token() -> bytes:
    """Returns a random token for one write."""
    return secrets.token_bytes(TOKEN_BYTES)


@dataclass(frozen=True, slots=True)
class Header:
    """The metadata of a session.

    Attributes:
        version: 1 when created, one more with each write.
        created: milliseconds since the epoch, as are the next three.
        touched: last recorded use.
        expires: end unless it is used again.
        absolute: end in any case.
        history: tokens of the last writes, newest first.
        tag: 32 bytes for the subject in an index; zeros without one.
    """

    version: int
    created: int
    touched: int
    expires: int
    absolute: int
    history: bytes
    tag: bytes = NO_TAG

    def wrote(self, expected: int, token: bytes) -> bool:
        """Returns whether the write after version `expected` had this token."""
        behind = self.version - expected - 1
        start = behind * TOKEN_BYTES
        return 0 <= behind < HISTORY and self.history[start : start + TOKEN_BYTES] == token

    def written(self, token: bytes) -> Header:
        """Returns the header after one more write."""
        return replace(self, version=self.version + 1, history=push(token, self.history))


def push(token: bytes, history: bytes = b"") -> bytes:
    """Returns `history` with `token` in front, at its fixed length."""
    return (token + history).ljust(TOKEN_BYTES * HISTORY, b"\0")[: TOKEN_BYTES * HISTORY]


@dataclass(frozen=True, slots=True)
class Record:
    """A whole session as stored.

    Attributes:
        header: its metadata.
        subject: the sealed name of the subject, empty for none.
        envelope: the sealed data.
    """

    header: Header
    subject: bytes
    envelope: bytes


def unpack_header(data: bytes) -> tuple[Header, int]:
    """Returns the header at the start of `data` and the size of the subject."""
    _, *fields, subject_size = HEAD.unpack_from(data)
    return Header(*fields), subject_size


def unpack_record(data: bytes) -> Record:
    """Returns the record in a stored value: header, subject, envelope."""
    header, size = unpack_header(data)
    body = HEAD.size + size
    return Record(header, data[HEAD.size : body], data[body:])
