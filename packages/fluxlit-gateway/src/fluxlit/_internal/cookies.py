"""The parts of a Cookie header."""

from __future__ import annotations

MOST = 512
"""Cookies of one header. Browsers keep at most 180 for a site; a header can hold 32,000 semicolons."""


def cookie_pairs(value: bytes) -> list[bytes]:
    """Return the pairs of a Cookie header (RFC 6265), at most `MOST`."""
    return [pair for part in value.split(b";", MOST)[:MOST] if (pair := part.strip())]
