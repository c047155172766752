"""Keys: fetched when needed, followed through rotations, and not at the command of strangers."""

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, RSAKey

from fluxlit_auth.errors import ProviderUnavailable, TokenRefused, UnknownKey
from fluxlit_auth.jws import verify
from fluxlit_auth.keys import FixedKeys, RemoteKeys, read_key_set
from fluxlit_auth.web import Web
from tests.auth.conftest import Clock
from tests.auth.hostile import EC_KEYS, GONE, RSA_KEYS, HostileProvider, forged, unsigned

pytestmark = pytest.mark.anyio

ALLOWED = ("RS256", "ES256")


@pytest.fixture
def keys(web: Web, hostile: HostileProvider, clock: Clock) -> RemoteKeys:
    return RemoteKeys(f"{hostile.issuer}/jwks", web, clock=clock)


async def test_a_good_signature_is_accepted(keys: RemoteKeys, hostile: HostileProvider) -> None:
    token = await verify(hostile.sign({"sub": "ada"}, {}), keys, ALLOWED)
    assert token.claims == {"sub": "ada"}
    assert "ada" not in repr(token)


async def test_nothing_is_fetched_before_it_is_needed_and_then_once(keys: RemoteKeys, hostile: HostileProvider) -> None:
    assert hostile.calls["jwks"] == 0
    await asyncio.gather(*(verify(hostile.sign({}, {}), keys, ALLOWED) for _ in range(20)))
    assert hostile.calls["jwks"] == 1


async def test_old_keys_are_fetched_again(keys: RemoteKeys, hostile: HostileProvider, clock: Clock) -> None:
    await verify(hostile.sign({}, {}), keys, ALLOWED)
    clock.pass_(3601)
    await verify(hostile.sign({}, {}), keys, ALLOWED)
    assert hostile.calls["jwks"] == 2


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


@pytest.mark.parametrize("alg", ["none", "None", "nOnE", "HS256", "HS512", "RS512", "", None, ["RS256"], GONE])
async def test_other_algorithms_are_refused(keys: RemoteKeys, hostile: HostileProvider, alg: Any) -> None:
    """RFC 8725 3.1 and 3.2, ASVS 5.0, 9.1.2: the algorithm is the receiver's choice. `none` is
    oidcc-client-test-idtoken-sig-none."""
    token = _with_header(hostile.sign({}, {}), {"alg": alg, "kid": "one"})
    for candidate in (token, unsigned(token)):
        with pytest.raises(TokenRefused) as refused:
            await verify(candidate, keys, ALLOWED)
        assert refused.value.reason in {"alg", "format"}


async def test_a_public_key_never_serves_as_a_secret(keys: RemoteKeys, hostile: HostileProvider) -> None:
    """RFC 8725 2.1: an HMAC with the public key that everybody knows, even where HS256 is allowed by mistake."""
    public = RSA_KEYS[0].as_pem(private=False)
    token = HostileProvider(signing_key=OctKey.import_key(_bare(public), {"kid": "one"}), alg="HS256").sign({}, {})
    with pytest.raises(UnknownKey):
        await verify(token, keys, (*ALLOWED, "HS256"))


async def test_a_key_is_used_for_its_own_kind_of_signature_only(keys: RemoteKeys, hostile: HostileProvider) -> None:
    hostile.published = [EC_KEYS[0]]
    with pytest.raises(UnknownKey):
        await verify(hostile.sign({}, {"kid": "ec-one"}), keys, ALLOWED)


@pytest.mark.parametrize("spoil", [forged, unsigned], ids=["another signature", "no signature"])
@pytest.mark.parametrize(("alg", "key"), [("RS256", RSA_KEYS[0]), ("ES256", EC_KEYS[0])])
async def test_bad_signatures_are_refused(
    keys: RemoteKeys, hostile: HostileProvider, alg: str, key: Any, spoil: Callable[[str], str]
) -> None:
    """oidcc-client-test-invalid-sig-rs256 and -es256; ASVS 5.0, 9.1.1."""
    hostile.signing_key, hostile.published, hostile.alg = key, [key], alg
    await verify(hostile.sign({}, {}), keys, ALLOWED)
    with pytest.raises(TokenRefused) as refused:
        await verify(spoil(hostile.sign({}, {})), keys, ALLOWED)
    assert refused.value.reason == "signature"


async def test_a_shared_secret_that_is_another_is_refused() -> None:
    """oidcc-client-test-invalid-sig-hs256."""
    token = HostileProvider(signing_key=OctKey.import_key("x" * 32), alg="HS256").sign({}, {"kid": GONE})
    with pytest.raises(TokenRefused) as refused:
        await verify(token, FixedKeys.of_secret("y" * 32), ("HS256",))
    assert refused.value.reason == "signature"
    await verify(token, FixedKeys.of_secret("x" * 32), ("HS256",))


async def test_a_token_without_key_name_is_fine_where_there_is_one_key(
    keys: RemoteKeys, hostile: HostileProvider
) -> None:
    """oidcc-client-test-kid-absent-single-jwks: OpenID Connect Core 10.1."""
    hostile.published = [RSA_KEYS[0], EC_KEYS[0]]
    await verify(hostile.sign({}, {"kid": GONE}), keys, ALLOWED)


async def test_a_token_without_key_name_is_refused_where_there_are_several(
    keys: RemoteKeys, hostile: HostileProvider
) -> None:
    """oidcc-client-test-kid-absent-multiple-jwks."""
    hostile.published = list(RSA_KEYS)
    with pytest.raises(UnknownKey):
        await verify(hostile.sign({}, {"kid": GONE}), keys, ALLOWED)


async def test_keys_and_places_of_keys_inside_a_token_are_ignored(keys: RemoteKeys, hostile: HostileProvider) -> None:
    """RFC 8725 3.10, ASVS 5.0, 9.1.3: `jwk`, `jku` and `x5u` of a token are the sender's."""
    own = RSAKey.generate_key(2048, {"kid": "one"})
    hostile.signing_key = own
    with pytest.raises(TokenRefused) as refused:
        await verify(hostile.sign({}, {"jwk": own.as_dict(private=False), "jku": "https://evil.test/"}), keys, ALLOWED)
    assert refused.value.reason == "signature"


async def test_header_fields_that_are_not_understood_are_ignored_unless_critical(
    keys: RemoteKeys, hostile: HostileProvider
) -> None:
    """RFC 7515 4 and 4.1.11."""
    await verify(hostile.sign({}, {"x-vendor": "1", "x5t": "abc"}), keys, ALLOWED)
    with pytest.raises(TokenRefused):
        await verify(hostile.sign({}, {"crit": ["x-vendor"], "x-vendor": "1"}), keys, ALLOWED)


@pytest.mark.parametrize("token", ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "é.é.é", "e30.e30.", "ey" * 100_000])
async def test_what_is_no_token_is_refused(keys: RemoteKeys, token: str) -> None:
    with pytest.raises(TokenRefused):
        await verify(token, keys, ALLOWED)


@pytest.mark.parametrize(
    "answer",
    [{}, {"keys": None}, {"keys": []}, {"keys": ["x", 1, {"kty": "oct", "k": "AAAA"}, {"kty": "RSA"}, {"kty": "EC"}]}],
)
def test_a_set_without_usable_keys_has_none(answer: dict[str, Any]) -> None:
    assert read_key_set(answer) == ()


def test_keys_for_encryption_and_weak_keys_are_not_used() -> None:
    with pytest.warns(SecurityWarning):
        weak = RSAKey.generate_key(1024, {"kid": "weak"}).as_dict(private=False)
    assert read_key_set({"keys": [weak]}) == ()


async def test_a_key_for_something_else_does_not_verify(hostile: HostileProvider, keys: RemoteKeys) -> None:
    hostile.published = [RSAKey.import_key({**RSA_KEYS[0].as_dict(private=False), "use": "enc"})]
    with pytest.raises(UnknownKey):
        await verify(hostile.sign({}, {}), keys, ALLOWED)


async def test_a_curve_belongs_to_its_algorithm() -> None:
    key = ECKey.generate_key("P-384", {"kid": "a"})
    token = HostileProvider(signing_key=key, alg="ES384").sign({}, {})
    await verify(token, FixedKeys([key]), ("ES384",))
    with pytest.raises(TokenRefused):
        await verify(_with_header(token, {"alg": "ES256", "kid": "a"}), FixedKeys([key]), ("ES256",))


def _with_header(token: str, header: dict[str, Any]) -> str:
    fields = {name: value for name, value in header.items() if value is not GONE}
    head = base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()
    return f"{head}.{token.partition('.')[2]}"


def _bare(pem: bytes) -> str:
    return base64.urlsafe_b64encode(pem).decode()
