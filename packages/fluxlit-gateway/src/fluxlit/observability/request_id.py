"""Request ids: X-Request-ID for every log.

There is no standard for X-Request-ID; nginx, Envoy, Heroku and AWS agree on an opaque token. What a client
sends goes into logs and error pages, so only plain characters are accepted, and not many of them.
"""

from __future__ import annotations

import os
import re

HEADER = b"x-request-id"
AT_ONCE = 128

# Everything that UUIDs, ULIDs, base64 and AWS's trace ids need.
_WELL_FORMED = re.compile(rb"[A-Za-z0-9._:=@+/-]{1,128}\Z")


def is_request_id(value: bytes) -> bool:
    """Whether an id that came from outside may be used."""
    return _WELL_FORMED.match(value) is not None


def new_request_id() -> bytes:
    """An id that no other request has: 128 random bits in hexadecimal."""
    if not _made:
        # The system is asked for many at once: that takes as long as for one.
        digits = os.urandom(16 * AT_ONCE).hex().encode("ascii")
        _made.extend(digits[at : at + 32] for at in range(0, len(digits), 32))
    return _made.pop()


_made: list[bytes] = []
if hasattr(os, "register_at_fork"):  # POSIX
    os.register_at_fork(after_in_child=_made.clear)
