"""Keys of an issuer: fetched when needed, and followed through rotations."""

import asyncio
from typing import Any

import pytest
from joserfc.errors import SecurityWarning
from joserfc.jwk import RSAKey

from fluxlit_auth.errors import ProviderUnavailable, UnknownKey
from fluxlit_auth.http_client import HttpClient
from fluxlit_auth.jws import verify
from fluxlit_auth.keys import RemoteKeys, parse_key_set
from tests.auth.conftest import Clock
from tests.auth.hostile import RSA_KEYS, HostileProvider

pytestmark = pytest.mark.anyio


ALLOWED = ("RS256", "ES256")


@pytest.fixture
def keys(web: HttpClient, hostile: HostileProvider, clock: Clock) -> RemoteKeys:
    return RemoteKeys(f"{hostile.issuer}/jwks", web, clock=clock)


async def test_nothing_is_fetched_before_it_is_needed_and_then_once(keys: RemoteKeys, hostile: HostileProvider) -> None:
    assert hostile.calls["jwks"] == 0
    await asyncio.gather(*(verify(hostile.sign({}, {}), keys, ALLOWED) for _ in range(20)))
    assert hostile.calls["jwks"] == 1


async def test_a_rotated_key_is_fetched_at_once(keys: RemoteKeys, hostile: HostileProvider) -> None:
    """oidcc-client-test-signing-key-rotation: OpenID Connect Core 10.1.1."""
    await verify(hostile.sign({}, {}), keys, ALLOWED)
    hostile.signing_key, hostile.published = RSA_KEYS[1], [RSA_KEYS[1]]
    await verify(hostile.sign({}, {}), keys, ALLOWED)
    assert hostile.calls["jwks"] == 2


async def test_a_rotated_key_that_keeps_its_name_is_fetched_too(keys: RemoteKeys, hostile: HostileProvider) -> None:
    await verify(hostile.sign({}, {}), keys, ALLOWED)
    fresh = RSAKey.generate_key(2048, {"kid": "one"})
    hostile.signing_key, hostile.published = fresh, [fresh]
    await verify(hostile.sign({}, {}), keys, ALLOWED)
    assert hostile.calls["jwks"] == 2


async def test_invented_key_names_cause_one_fetch_in_ten_seconds(
    keys: RemoteKeys, hostile: HostileProvider, clock: Clock
) -> None:
    await verify(hostile.sign({}, {}), keys, ALLOWED)
    for number in range(50):
        with pytest.raises(UnknownKey):
            await verify(hostile.sign({}, {"kid": f"invented-{number}"}), keys, ALLOWED)
    assert hostile.calls["jwks"] == 2
    clock.pass_(11)
    with pytest.raises(UnknownKey):
        await verify(hostile.sign({}, {"kid": "invented"}), keys, ALLOWED)
    assert hostile.calls["jwks"] == 3


async def test_keys_that_cannot_be_had_are_no_verdict_about_the_token(
    keys: RemoteKeys, hostile: HostileProvider, clock: Clock
) -> None:
    hostile.failing["jwks"] = 500
    for _ in range(5):
        with pytest.raises(ProviderUnavailable):
            await verify(hostile.sign({}, {}), keys, ALLOWED)
    assert hostile.calls["jwks"] == 1, "a provider that is down is not asked for every token"
    del hostile.failing["jwks"]
    clock.pass_(11)
    await verify(hostile.sign({}, {}), keys, ALLOWED)


@pytest.mark.parametrize(
    "answer",
    [{}, {"keys": None}, {"keys": []}, {"keys": ["x", 1, {"kty": "oct", "k": "AAAA"}, {"kty": "RSA"}, {"kty": "EC"}]}],
)
def test_a_set_without_usable_keys_has_none(answer: dict[str, Any]) -> None:
    assert parse_key_set(answer) == ()


def test_keys_for_encryption_and_weak_keys_are_not_used() -> None:
    with pytest.warns(SecurityWarning):
        weak = RSAKey.generate_key(1024, {"kid": "weak"}).as_dict(private=False)
    assert parse_key_set({"keys": [weak]}) == ()
