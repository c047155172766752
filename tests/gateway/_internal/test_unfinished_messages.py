"""Clients share what they may have begun and not finished."""

from __future__ import annotations

from fluxlit._internal.unfinished_messages import FREE, UnfinishedMessage, UnfinishedMessages


def test_the_first_bytes_of_each_message_are_free() -> None:
    budget = UnfinishedMessages(0)
    assert all(UnfinishedMessage(budget).update(FREE) for _ in range(100))
    assert not UnfinishedMessage(budget).update(FREE + 1)


def test_what_ends_gives_its_part_back() -> None:
    budget = UnfinishedMessages(100)
    first, second = UnfinishedMessage(budget), UnfinishedMessage(budget)
    assert first.update(FREE + 60)
    assert not second.update(FREE + 60)
    assert second.update(0)
    assert first.update(FREE + 100)
    assert first.update(0)
    assert second.update(FREE + 100)
    assert (first.counted, second.counted) == (0, 100)
