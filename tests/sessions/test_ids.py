"""No id is stored, and what is stored is no id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fluxlit_sessions import RedisSessionStore
from fluxlit_sessions.ids import Ids, Kind
from tests.sessions.dumps import SECRET, SUBJECT, Dump, spellings, use
from tests.sessions.servers import PATIENT, RedisServer


def test_no_id_and_no_token_is_ever_stored(place: tuple[Callable[..., Any], Dump]) -> None:
    make, dump = place
    given = use(make())
    stored = dump()
    assert SECRET.encode() in stored  # without encryption the data is there, so the search itself works
    assert [item for item in given if any(spelling in stored for spelling in spellings(item))] == []


def test_nothing_stored_is_an_id(redis_server: RedisServer, namespace: str) -> None:
    with RedisSessionStore(redis_server.url, namespace=namespace, **PATIENT) as store, redis_server.client() as client:
        session = store.create(subject=SUBJECT)
        words = [word for key in client.scan_iter() for word in key.decode().split(":")]
        assert [word for word in [*words, session.handle] if store.read(word)] == []


def test_ids_mean_nothing_in_another_namespace_or_for_another_purpose() -> None:
    text = Ids("one").mint().text
    readings = [Ids("one").parse(text), Ids("two").parse(text), Ids("one").parse(text, Kind.ONCE)]
    readings += [Ids("one").parse(text, Kind.ONCE, purpose) for purpose in ("login", "logout")]
    digests = [reading.key.digest for reading in readings if reading]
    assert len(set(digests)) == len(digests) == 5
