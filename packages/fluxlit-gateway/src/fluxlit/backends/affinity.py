"""Which worker a request goes to: a pure function of request and workers.

Streamlit keeps a session in the memory of one process. What must reach that process, and how a request shows it:

==================================  ===============================================================================
request                             what it names
==================================  ===============================================================================
WebSocket of a browser that was     its last session id, the third subprotocol
here before
upload and removal of a file        the session id, in the path
``/media/*``: images, downloads     nothing: the name is made of the content. The cookie names the browser's worker;
                                    where that one does not have it, the others are asked in turn
everything else                     nothing, and any worker will do
==================================  ===============================================================================

The cookie names a worker, not a session, so all tabs of a browser share one. A browser that sends no cookie loses
nothing but a little time at its media files. A new session goes where the cookie points, else to the worker with the
least load.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fluxlit._internal.cookies import cookie_pairs

COOKIE = b"fluxlit_worker"
HOST_COOKIE = b"__Host-" + COOKIE
"""Its name over TLS, where the application has the whole host: no other host can set it."""

UPLOAD = "/_stcore/upload_file/"
MEDIA = "/media/"


class Kind(enum.Enum):
    """What a request needs."""

    STREAM = "its session, if it names one"
    UPLOAD = "the session that it names"
    MEDIA = "the worker that has the file"
    ANY = "any worker"


class WorkerState(enum.IntEnum):
    """What may be sent to a worker; the smaller the better."""

    ANSWERING = 0
    SILENT = 1  # busy or hung: its own sessions have no other place, new ones have
    RETIRING = 2  # keeps the sessions that it has until they end
    LEAVING = 3  # finishes what it has
    DOWN = 4


@dataclass(frozen=True, slots=True)
class RoutingHint:
    """What a request shows about the worker that it belongs to.

    Attributes:
        kind: what it needs.
        session: the session id that it names.
        cookie: the worker that its cookie names.
    """

    kind: Kind
    session: str | None = None
    cookie: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A worker as it is now.

    Attributes:
        key: what the cookie calls it; another one after every start.
        state: what may be sent to it.
        load: sessions that it has or is about to get.
        holds: it has the session that the request names.
    """

    key: str
    state: WorkerState
    load: int = 0
    holds: bool = False


def routing_hint(
    kind: str, path: str, subprotocols: Sequence[str] = (), headers: Iterable[tuple[bytes, bytes]] = ()
) -> RoutingHint:
    """Read the session and the worker that a request names.

    Args:
        kind: ``http`` or ``websocket``.
        path: decoded path below the public mount.
        subprotocols: those that a WebSocket offers, in order.
        headers: of the request.
    """
    cookie = cookie_value(headers)
    if kind == "websocket":
        return RoutingHint(Kind.STREAM, (subprotocols[2] or None) if len(subprotocols) > 2 else None, cookie)
    if path.startswith(UPLOAD):
        return RoutingHint(Kind.UPLOAD, path[len(UPLOAD) :].partition("/")[0] or None, cookie)
    return RoutingHint(Kind.MEDIA if path.startswith(MEDIA) else Kind.ANY, None, cookie)


def choose(request: RoutingHint, candidates: Sequence[Candidate]) -> list[str]:
    """The workers to try, best first; empty while there is none.

    Only media files are tried at the second and further ones.
    """
    taking = WorkerState.LEAVING if request.kind in (Kind.UPLOAD, Kind.MEDIA) else WorkerState.SILENT

    def order(candidate: Candidate) -> tuple[int, ...]:
        stranger = candidate.key != request.cookie
        if request.kind is Kind.MEDIA:
            # Without a cookie the worker with the most sessions has most probably made the file.
            return stranger, candidate.state, -candidate.load
        # A session stays with a worker that is busy. What names none goes elsewhere, in spite of the cookie.
        return not candidate.holds, candidate.state, stranger, candidate.load

    def takes(candidate: Candidate) -> bool:
        return candidate.state <= taking or (candidate.state is WorkerState.RETIRING and candidate.holds)

    return [candidate.key for candidate in sorted(candidates, key=order) if takes(candidate)]


def cookie_value(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The worker that a request's cookie names (RFC 6265 section 4.2.1)."""
    for name, value in headers:
        if name == b"cookie" and COOKIE in value:
            for pair in cookie_pairs(value):
                key, _, text = pair.partition(b"=")
                if key in (COOKIE, HOST_COOKIE):
                    return text.decode("latin-1")
    return None


def worker_cookie(key: str, *, path: str, secure: bool) -> tuple[bytes, bytes]:
    """The header that ties a browser to a worker until the browser is closed.

    Args:
        key: the worker.
        path: public mount of the application; empty for none.
        secure: the browser speaks https.
    """
    name = HOST_COOKIE if secure and not path else COOKIE
    ending = b"; Secure" if secure else b""
    return b"set-cookie", b"%b=%b; Path=%b; HttpOnly; SameSite=Lax%b" % (
        name,
        key.encode("ascii"),
        (path or "/").encode("ascii"),
        ending,
    )
