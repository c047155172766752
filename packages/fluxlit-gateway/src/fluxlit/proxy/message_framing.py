"""Where the body of a request ends (RFC 9112 section 6.3)."""

from __future__ import annotations

from dataclasses import dataclass

from fluxlit._internal.asgi import Scope

# RFC 9110 section 9.2.2, without DELETE and PUT: repeating those is allowed, but they matter enough not to.
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

# A length of 19 digits is eight exabytes; int() itself gives up on thousands of them.
MAX_LENGTH_DIGITS = 19

FIELDS = frozenset({b"content-length", b"transfer-encoding", b"expect"})

HTTP_WITHOUT_FRAMING = frozenset({"2", "3"})


class RefusedError(Exception):
    """The request must not be passed on.

    Attributes:
        status: the client's answer.
    """

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


@dataclass(slots=True)  # not frozen: that costs more than reading the fields does
class Framing:
    """How a request delimits its body.

    Attributes:
        length: Content-Length, `None` if there is none.
        chunked: the length is not known beforehand.
        expects: the client sends its body only when asked to (RFC 9110 section 10.1.1).
    """

    length: int | None
    chunked: bool
    expects: bool

    @property
    def body(self) -> bool:
        """There may be a body."""
        return self.chunked or bool(self.length)

    @classmethod
    def of(cls, scope: Scope) -> Framing:
        """Read the framing of an ASGI request.

        Servers check most of this themselves. It is repeated here because the next hop must never read another
        length than this one did, behind any server.

        Raises:
            RefusedError: the length is stated twice, not a number, or in an unknown Transfer-Encoding.
        """
        told = [field for field in scope["headers"] if field[0] in FIELDS]
        if not told and scope["http_version"] not in HTTP_WITHOUT_FRAMING:
            return NO_BODY
        length: int | None = None
        coded = expects = False
        for name, value in told:
            if name == b"content-length":
                if length is not None or coded or not value.isdigit() or len(value) > MAX_LENGTH_DIGITS:
                    raise RefusedError(400, "The request's length is ambiguous.")
                length = int(value)
            elif name == b"transfer-encoding":
                if coded or length is not None or scope["http_version"] == "1.0":
                    raise RefusedError(400, "The request's length is ambiguous.")
                if value.lower() != b"chunked":
                    raise RefusedError(501, "The request's Transfer-Encoding is not supported.")
                coded = True
            elif name == b"expect":
                expects = value.lower() == b"100-continue"
        if length is None and not coded and scope["http_version"] in HTTP_WITHOUT_FRAMING:
            # From HTTP/2 on a body needs neither header; its frames delimit it.
            coded = scope["method"] not in REPEATABLE
        return cls(length, coded, expects)


NO_BODY = Framing(None, chunked=False, expects=False)
