"""Cached values, by the example of keys.

Shared fetches, lifetimes, cancelled callers.
"""

import asyncio

import pytest

from fluxlit_auth.errors import ProviderUnavailable
from fluxlit_auth.http_client import HttpClient
from fluxlit_auth.jws import verify
from fluxlit_auth.keys import RemoteKeys
from tests.auth.conftest import Clock
from tests.auth.hostile import RSA_KEYS, HostileProvider

pytestmark = pytest.mark.anyio


ALLOWED = ("RS256", "ES256")


@pytest.fixture
def keys(web: HttpClient, hostile: HostileProvider, clock: Clock) -> RemoteKeys:
    return RemoteKeys(f"{hostile.issuer}/jwks", web, clock=clock)


async def test_old_keys_are_fetched_again(keys: RemoteKeys, hostile: HostileProvider, clock: Clock) -> None:
    await verify(hostile.sign({}, {}), keys, ALLOWED)
    clock.pass_(3601)
    await verify(hostile.sign({}, {}), keys, ALLOWED)
    assert hostile.calls["jwks"] == 2


async def test_many_at_once_share_the_fetch_that_an_unknown_key_causes(
    keys: RemoteKeys, hostile: HostileProvider
) -> None:
    await verify(hostile.sign({}, {}), keys, ALLOWED)
    hostile.signing_key, hostile.published = RSA_KEYS[1], [RSA_KEYS[1]]
    await asyncio.gather(*(verify(hostile.sign({}, {}), keys, ALLOWED) for _ in range(20)))
    assert hostile.calls["jwks"] == 2


async def test_one_who_gives_up_waiting_does_not_spoil_it_for_the_others(
    keys: RemoteKeys, hostile: HostileProvider
) -> None:
    gate = asyncio.Event()
    hostile.hook = lambda _name: gate.wait()
    first = asyncio.create_task(verify(hostile.sign({}, {}), keys, ALLOWED))
    second = asyncio.create_task(verify(hostile.sign({}, {}), keys, ALLOWED))
    await asyncio.sleep(0)
    first.cancel()
    gate.set()
    await second
    assert hostile.calls["jwks"] == 1


async def test_known_keys_serve_on_while_the_provider_is_down_but_not_for_ever(
    keys: RemoteKeys, hostile: HostileProvider, clock: Clock
) -> None:
    await verify(hostile.sign({}, {}), keys, ALLOWED)
    hostile.failing["jwks"] = 503
    clock.pass_(7200)
    await verify(hostile.sign({}, {}), keys, ALLOWED)
    clock.pass_(86_400)
    with pytest.raises(ProviderUnavailable):
        await verify(hostile.sign({}, {}), keys, ALLOWED)


async def test_a_key_that_could_not_be_looked_for_is_not_called_unknown(
    keys: RemoteKeys, hostile: HostileProvider, clock: Clock
) -> None:
    """Two sessions are refreshed while a rotated key is unavailable.

    Neither may end.
    """
    await verify(hostile.sign({}, {}), keys, ALLOWED)
    hostile.signing_key, hostile.published = RSA_KEYS[1], [RSA_KEYS[1]]
    hostile.failing["jwks"] = 503
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            await verify(hostile.sign({}, {}), keys, ALLOWED)
    assert hostile.calls["jwks"] == 2
    hostile.failing.clear()
    clock.pass_(11)
    await verify(hostile.sign({}, {}), keys, ALLOWED)
