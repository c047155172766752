"""What replicas send each other, also when it is a lot."""

from __future__ import annotations

import asyncio

import pytest

from fluxlit.settings import Settings
from fluxlit_auth.login.revocation_log import FULL, RevocationLog
from fluxlit_auth.login.stores import open_stores
from tests.auth.conftest import Clock

pytestmark = pytest.mark.anyio


async def test_any_number_of_logins_can_end_at_once(shared_store: str, clock: Clock) -> None:
    """ASVS 5.0, 7.4.5: all users, however many they are."""
    stores = [open_stores(Settings(session_store=shared_store), clock) for _ in range(2)]
    here, there = (RevocationLog(each.shared, 86400, clock) for each in stores)
    handles = [f"{number:066x}" for number in range(8 * FULL + 500)]
    await asyncio.gather(here.announce(handles[: 3 * FULL + 300]), there.announce(handles[3 * FULL + 300 :]))
    await here.announce(["one more"])
    assert set(await there.announced()) == {*handles, "one more"}
    clock.pass_(600)
    await there.announce(["next"])
    assert set(await here.announced()) == {*handles, "one more", "next"}
    clock.pass_(600)
    assert await here.announced() == ["next"]
    for each in stores:
        await each.close()


async def test_records_under_a_former_key_block_nothing(shared_store: str, clock: Clock) -> None:
    """After a change of the key an operator can revoke at once."""
    settings = [Settings(session_store=shared_store, secret_key=(letter * 40,)) for letter in "on"]
    old, new = (open_stores(each, clock) for each in settings)
    before, after = (RevocationLog(each.shared, 86400, clock) for each in (old, new))
    await before.announce(["a"])
    await before.note("sid", "s", "a")
    assert await after.announced() == []
    assert await after.notes("sid", "s") == []
    await after.announce(["b"])
    await after.note("sid", "s", "b")
    assert await after.announced() == ["b"]
    assert await after.notes("sid", "s") == ["b"]
    for each in (old, new):
        await each.close()
