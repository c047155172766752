"""The content of a copy, and what is left out of it."""

from __future__ import annotations

import logging

import pytest

from fluxlit_sessions import MemorySessionStore
from tests.sessions.copies.processes import Process


def test_values_that_cannot_be_stored_are_left_out_and_named_once(
    processes: tuple[Process, Process], caplog: pytest.LogCaptureFixture
) -> None:
    one, other = processes
    copy = one.begin()
    with caplog.at_level(logging.WARNING):
        one.save(copy, {"model": object(), "n": 1})
        one.save(copy, {"model": object(), "n": 2})
    taken = other.resume()
    assert taken is not None
    assert (taken[1]["state"], taken[1]["lost"]) == ({"n": 2}, {"model": "builtins.object"})
    assert [record.message.count("'model'") for record in caplog.records] == [2]


def test_the_largest_values_are_left_out_where_a_session_is_too_large(caplog: pytest.LogCaptureFixture) -> None:
    process = Process(MemorySessionStore(max_bytes=2000))
    process.save(process.begin(), {"big": "x" * 3000, "small": "y" * 100})
    taken = process.resume()
    assert taken is not None
    assert taken[1]["state"] == {"small": "y" * 100}
    assert taken[1]["lost"] == {"big": "too large: 3002 bytes"}
    process.copies.close(60)
