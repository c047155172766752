"""Redis URLs: their forms, and passwords with any character."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from fluxlit_sessions import (
    RedisSessionStore,
    open_store,
)
from fluxlit_sessions.redis.address import Mode, parse


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache", (Mode.SINGLE, (("cache", 6379),), "", "", 0, False, None, None)),
        (
            "redis://us%40er:p%3Aw@cache:7000/3",
            (Mode.SINGLE, (("cache", 7000),), "", "", 3, False, "us@er", "p:w"),
        ),
        ("rediss://:pw@[::1]:7000", (Mode.SINGLE, (("::1", 7000),), "", "", 0, True, None, "pw")),
        ("rediss://[::1]", (Mode.SINGLE, (("::1", 6379),), "", "", 0, True, None, None)),
        ("unix:///run/my%20redis.sock", (Mode.UNIX, (), "/run/my redis.sock", "", 0, False, None, None)),
        ("unix://u:p@/r.sock", (Mode.UNIX, (), "/r.sock", "", 0, False, "u", "p")),
        (
            "redis+sentinel://u:p@one,two:5000/service/2",
            (Mode.SENTINEL, (("one", 26379), ("two", 5000)), "", "service", 2, False, "u", "p"),
        ),
        ("rediss+sentinel://one/s", (Mode.SENTINEL, (("one", 26379),), "", "s", 0, True, None, None)),
        ("redis+cluster://a,b:7,c", (Mode.CLUSTER, (("a", 6379), ("b", 7), ("c", 6379)), "", "", 0, False, None, None)),
        ("valkey://cache/1", (Mode.SINGLE, (("cache", 6379),), "", "", 1, False, None, None)),
        ("valkeys://:pw@cache", (Mode.SINGLE, (("cache", 6379),), "", "", 0, True, None, "pw")),
        ("valkey+cluster://a,b", (Mode.CLUSTER, (("a", 6379), ("b", 6379)), "", "", 0, False, None, None)),
        ("valkeys+sentinel://a/s", (Mode.SENTINEL, (("a", 26379),), "", "s", 0, True, None, None)),
        ("REDIS://cache", (Mode.SINGLE, (("cache", 6379),), "", "", 0, False, None, None)),
        ("redis://cache?db=2", (Mode.SINGLE, (("cache", 6379),), "", "", 2, False, None, None)),
        ("rediss+cluster://a", (Mode.CLUSTER, (("a", 6379),), "", "", 0, True, None, None)),
    ],
)
def test_the_forms_of_a_redis_url(url: str, expected: tuple[Any, ...]) -> None:
    found = parse(url)
    assert (
        found.mode,
        found.hosts,
        found.path,
        found.service,
        found.db,
        found.tls,
        found.username,
        found.password,
    ) == expected
    assert isinstance(open_store(url), RedisSessionStore)  # it connects when it is used


PLACES = {
    "redis://{}@cache:6379/0": "redis://cache:6379/0",
    "rediss://{}@[::1]:6380": "rediss://[::1]:6380",
    "valkeys://{}@x.aivencloud.com:12345/0?timeout=5": "valkeys://x.aivencloud.com:12345/0",
    "unix://{}@/run/redis.sock?db=1": "unix:///run/redis.sock",
    "redis+sentinel://{}@one:26379,two/service/1": "redis+sentinel://one:26379,two/service/1",
    "rediss+cluster://{}@a,b:7": "rediss+cluster://a,b:7",
}


@pytest.mark.parametrize("place", PLACES)
@settings(max_examples=50, deadline=None)
@given(
    username=st.text("aZ0.-_", max_size=4),
    password=st.text(min_size=1, max_size=12) | st.text("aB3+=:@/?#[]& 6379,.-~!$", min_size=1, max_size=12),
)
@example("", "Xk3/9fQ+secretkey=")
@example("user", "p#ss")
@example("user", "p?ss")
@example("user", "p@ss")
@example("user", "[abc]x")
@example("", "12345/secret")
@example("user", "a@b:1/0?db@")
@example("user", "pä ss\n")
def test_a_password_may_stand_as_it_is_with_any_characters(place: str, username: str, password: str) -> None:
    assume(unquote(password) == password)
    assume("@/" not in password)  # with unix:// this is where the path begins
    assume(not re.match(r"([^/?#]*@)?[^/?#]*/*[0-9]*\?[a-z_]+=", password))  # behind a user: a host with options
    found = parse(place.format(f"{username}:{password}"))
    assert (found.username, found.password, found.location) == (username or None, password, PLACES[place])
    assert repr(password)[1:-1] not in repr(found).replace(found.location, "") or len(password) < 8
