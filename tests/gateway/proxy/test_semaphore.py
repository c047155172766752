"""Semaphore: as many at once as there are, and in order."""

from __future__ import annotations

import asyncio

import pytest

from fluxlit.proxy.semaphore import Semaphore

pytestmark = pytest.mark.anyio


async def test_whoever_comes_first_has_the_first_turn() -> None:
    turns, order = Semaphore(1), list[int]()

    async def person(number: int) -> None:
        await turns.wait()
        order.append(number)

    assert turns.take()
    assert not turns.take()
    people = [asyncio.create_task(person(number)) for number in range(3)]
    await asyncio.sleep(0)
    for number in range(3):
        turns.give()
        assert not turns.take(), "no newcomer overtakes those who wait"
        await people[number]
    turns.give()
    assert order == [0, 1, 2]
    assert turns.take()


@pytest.mark.parametrize("given", [False, True])
async def test_a_turn_of_somebody_who_has_left_goes_to_the_next(given: bool) -> None:
    """Also when it was given in the very moment in which they left."""
    turns = Semaphore(1)
    assert turns.take()
    leaving, staying = (asyncio.create_task(turns.wait()) for _ in range(2))
    await asyncio.sleep(0)
    if given:
        turns.give()
        leaving.cancel()
    else:
        leaving.cancel()
        turns.give()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    async with asyncio.timeout(60):
        await staying
    turns.give()
    assert turns.take()
    assert not turns.take()
