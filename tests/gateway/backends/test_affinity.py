"""Where a request belongs, by tables."""

from __future__ import annotations

import pytest

from fluxlit.backends.affinity import (
    Candidate,
    Kind,
    RoutingHint,
    WorkerState,
    choose,
    cookie_value,
    routing_hint,
    worker_cookie,
)
from fluxlit.backends.worker import MOST_LEFT, Sessions

A, S, R = WorkerState.ANSWERING, WorkerState.SILENT, WorkerState.RETIRING
L, D = WorkerState.LEAVING, WorkerState.DOWN

CLAIMS = {
    "a first connection": (("websocket", "/_stcore/stream", ["streamlit", "token"]), RoutingHint(Kind.STREAM)),
    "a browser that comes back": (
        ("websocket", "/_stcore/stream", ["streamlit", "token", "s1"]),
        RoutingHint(Kind.STREAM, "s1"),
    ),
    "an empty third subprotocol": (("websocket", "/_stcore/stream", ["streamlit", "t", ""]), RoutingHint(Kind.STREAM)),
    "an upload": (("http", "/_stcore/upload_file/s1/f1"), RoutingHint(Kind.UPLOAD, "s1")),
    "an upload for no session": (("http", "/_stcore/upload_file/"), RoutingHint(Kind.UPLOAD)),
    "an image": (("http", "/media/abc.png"), RoutingHint(Kind.MEDIA)),
    "a page": (("http", "/orders"), RoutingHint(Kind.ANY)),
    "a component": (("http", "/component/x/index.html"), RoutingHint(Kind.ANY)),
    "a page with a name that begins like media": (("http", "/mediation"), RoutingHint(Kind.ANY)),
}


@pytest.mark.parametrize(("request_", "expected"), CLAIMS.values(), ids=CLAIMS)
def test_what_a_request_says(request_: tuple[str, ...], expected: RoutingHint) -> None:
    assert routing_hint(*request_) == expected  # type: ignore[arg-type]


COOKIES = {
    "none": ([(b"accept", b"*/*")], None),
    "alone": ([(b"cookie", b"fluxlit_worker=k1")], "k1"),
    "among others": ([(b"cookie", b"a=1; fluxlit_worker=k1; b=fluxlit_worker=k2")], "k1"),
    "in the second field": ([(b"cookie", b"a=1"), (b"cookie", b"fluxlit_worker=k1")], "k1"),
    "a longer name": ([(b"cookie", b"my_fluxlit_worker=k1")], None),
    "not text": ([(b"cookie", b"fluxlit_worker=\xff\xfe")], "\xff\xfe"),
    "without a value": ([(b"cookie", b"fluxlit_worker")], ""),
}


@pytest.mark.parametrize(("headers", "expected"), COOKIES.values(), ids=COOKIES)
def test_the_cookie_is_found(headers: list[tuple[bytes, bytes]], expected: str | None) -> None:
    assert cookie_value(headers) == expected


def workers(*standings: tuple[WorkerState, int], holder: int | None = None) -> list[Candidate]:
    """Workers called 0, 1, 2... with a state and a load."""
    return [
        Candidate(str(number), state, load, holds=number == holder) for number, (state, load) in enumerate(standings)
    ]


CHOICES = {
    "the least loaded gets a new session": (RoutingHint(Kind.STREAM), workers((A, 3), (A, 1), (A, 2)), "1"),
    "the first of two equals": (RoutingHint(Kind.STREAM), workers((A, 1), (A, 1)), "0"),
    "a cookie beats the load": (RoutingHint(Kind.STREAM, cookie="0"), workers((A, 9), (A, 0)), "0"),
    "a cookie of no worker": (RoutingHint(Kind.STREAM, cookie="gone"), workers((A, 9), (A, 0)), "1"),
    "a session beats the cookie": (RoutingHint(Kind.STREAM, "s", "0"), workers((A, 0), (A, 9), holder=1), "1"),
    "a session of no worker": (RoutingHint(Kind.STREAM, "s"), workers((A, 2), (A, 1)), "1"),
    "a session stays with a busy worker": (RoutingHint(Kind.STREAM, "s"), workers((S, 9), (A, 0), holder=0), "0"),
    "a new session avoids a busy worker": (RoutingHint(Kind.STREAM, cookie="0"), workers((S, 0), (A, 9)), "1"),
    "busy is better than none": (RoutingHint(Kind.STREAM), workers((D, 0), (S, 5)), "1"),
    "a session moves from a leaving worker": (
        RoutingHint(Kind.STREAM, "s", "0"),
        workers((L, 0), (A, 9), holder=0),
        "1",
    ),
    "a session stays with a retiring worker": (
        RoutingHint(Kind.STREAM, "s", "0"),
        workers((R, 9), (A, 0), holder=0),
        "0",
    ),
    "a new session avoids a retiring worker": (RoutingHint(Kind.STREAM, cookie="0"), workers((R, 0), (A, 9)), "1"),
    "a page avoids a retiring worker": (RoutingHint(Kind.ANY, cookie="0"), workers((R, 0), (A, 9)), "1"),
    "a session moves from a dead worker": (RoutingHint(Kind.STREAM, "s", "0"), workers((D, 0), (A, 9), holder=0), "1"),
    "nobody": (RoutingHint(Kind.STREAM), workers((D, 0), (L, 0)), None),
    "no workers": (RoutingHint(Kind.ANY), [], None),
    "an upload follows its session": (RoutingHint(Kind.UPLOAD, "s", "0"), workers((A, 0), (A, 9), holder=1), "1"),
    "an upload reaches a leaving worker": (RoutingHint(Kind.UPLOAD, "s"), workers((L, 9), (A, 0), holder=0), "0"),
    "an upload does not reach a dead one": (RoutingHint(Kind.UPLOAD, "s"), workers((D, 9), (A, 0), holder=0), "1"),
    "a page goes by the cookie": (RoutingHint(Kind.ANY, cookie="1"), workers((A, 0), (A, 9)), "1"),
    "a page avoids a leaving worker": (RoutingHint(Kind.ANY, cookie="1"), workers((A, 5), (L, 0)), "0"),
}


@pytest.mark.parametrize(("request_", "candidates", "expected"), CHOICES.values(), ids=CHOICES)
def test_the_choice(request_: RoutingHint, candidates: list[Candidate], expected: str | None) -> None:
    chosen = choose(request_, candidates)
    assert (chosen[0] if chosen else None) == expected


MEDIA = {
    "the cookie's first, then the busiest": (
        RoutingHint(Kind.MEDIA, cookie="0"),
        workers((A, 1), (A, 2), (A, 3)),
        "021",
    ),
    "without a cookie the busiest": (RoutingHint(Kind.MEDIA), workers((A, 1), (A, 3), (A, 2)), "120"),
    "those that do not answer come last": (RoutingHint(Kind.MEDIA), workers((S, 9), (A, 0), (L, 5), (D, 9)), "102"),
    "the cookie's, even when it is leaving": (RoutingHint(Kind.MEDIA, cookie="1"), workers((A, 1), (L, 0)), "10"),
}


@pytest.mark.parametrize(("request_", "candidates", "expected"), MEDIA.values(), ids=MEDIA)
def test_the_order_in_which_media_are_asked_for(
    request_: RoutingHint, candidates: list[Candidate], expected: str
) -> None:
    assert "".join(choose(request_, candidates)) == expected


def test_the_cookie_is_for_the_application_and_for_no_script() -> None:
    assert worker_cookie("k", path="", secure=False) == (
        b"set-cookie",
        b"fluxlit_worker=k; Path=/; HttpOnly; SameSite=Lax",
    )
    assert worker_cookie("k", path="", secure=True)[1] == (
        b"__Host-fluxlit_worker=k; Path=/; HttpOnly; SameSite=Lax; Secure"
    )
    assert worker_cookie("k", path="/apps/shop", secure=True)[1] == (
        b"fluxlit_worker=k; Path=/apps/shop; HttpOnly; SameSite=Lax; Secure"
    )


def test_sessions_are_remembered_until_they_are_closed_or_too_many() -> None:
    sessions = Sessions()
    sessions.note("opened", "a")
    assert ("a" in sessions, len(sessions)) == (True, 1)
    sessions.note("left", "a")
    assert ("a" in sessions, len(sessions)) == (True, 0)
    sessions.note("opened", "a")
    sessions.note("closed", "a")
    assert ("a" in sessions, len(sessions)) == (False, 0)
    for number in range(MOST_LEFT + 1):
        sessions.note("left", str(number))
    assert ("0" in sessions, "1" in sessions) == (False, True)
    sessions.clear()
    assert "1" not in sessions
