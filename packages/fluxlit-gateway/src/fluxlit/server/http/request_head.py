"""What a request may ask for: limits, and rules of its head. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from fluxlit._internal.asgi import Header

KNOWN_VERSIONS = ("1.1", "1.0")
TRANSFER_ENCODING = b"transfer-encoding"


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What one connection may ask for.

    nginx allows 4 buffers of 8 KiB for the head, one of them for the request line, and 1000 headers. It waits as long,
    but has no least rate: a client that sends a byte now and then holds a place at the UI for hours. No browser of a
    person is slower than this rate.

    Attributes:
        head: bytes of a message that are not its body: request line, headers, trailers, chunk lines.
        headers: number of headers.
        send: seconds that a client may go without reading anything of its response.
        head_time: seconds in which a head must arrive whole.
        body_time: seconds that a client may go without sending anything of a body.
        body_rate: least bytes a second of a body, on average over `body_time`; 0 for no limit.
    """

    head: int = 64 * 1024
    headers: int = 256
    send: float = 60.0
    head_time: float = 30.0
    body_time: float = 60.0
    body_rate: int = 100

    @property
    def target(self) -> int:
        """Bytes of the path with its query: a quarter of the head."""
        return self.head // 4


DEFAULT_LIMITS = HttpLimits()


def size_of(headers: list[Header]) -> int:
    """Bytes of names and values."""
    return sum(len(name) + len(value) for name, value in headers)


def objection_to_coding(version: str, headers: list[Header]) -> int:
    """The status for a Transfer-Encoding; 0 for `chunked` (RFC 9112 6.1, 6.3)."""
    values = [value for name, value in headers if name == TRANSFER_ENCODING]
    codings = [coding.strip().lower() for coding in b",".join(values).split(b",")]
    if codings == [b"chunked"] and version != "1.0":
        return 0
    # Without `chunked` at the end, and only there, the end of the body cannot be known.
    return 501 if b"chunked" not in codings[:-1] and codings[-1] == b"chunked" and version != "1.0" else 400


def origin_form(target: bytes, headers: list[Header]) -> bytes:
    """Return the path of a target that is no path; empty if it is not valid.

    An authority in it replaces Host (RFC 9112 sections 3.2.2 and 3.2.4).
    """
    parts = urlsplit(target.decode("latin-1"))
    if parts.scheme.lower() in ("http", "https") and parts.netloc:
        headers[:] = [header for header in headers if header[0] != b"host"]
        headers.insert(0, (b"host", parts.netloc.rpartition("@")[2].encode("latin-1")))
        path = target[target.index(b"//") + 2 + len(parts.netloc) :]
        return path if path.startswith(b"/") else b"/" + path
    return target if target == b"*" else b""
