"""Signatures of tokens: algorithms, keys, and malformed tokens."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from fluxlit_auth.errors import TokenRefused, UnknownKey
from fluxlit_auth.http_client import HttpClient
from fluxlit_auth.jws import verify
from fluxlit_auth.keys import FixedKeys, RemoteKeys
from tests.auth.conftest import Clock
from tests.auth.hostile import EC_KEYS, GONE, RSA_KEYS, HostileProvider, forged, unsigned

pytestmark = pytest.mark.anyio


ALLOWED = ("RS256", "ES256")


@pytest.fixture
def keys(web: HttpClient, hostile: HostileProvider, clock: Clock) -> RemoteKeys:
    return RemoteKeys(f"{hostile.issuer}/jwks", web, clock=clock)


async def test_a_good_signature_is_accepted(keys: RemoteKeys, hostile: HostileProvider) -> None:
    token = await verify(hostile.sign({"sub": "ada"}, {}), keys, ALLOWED)
    assert token.claims == {"sub": "ada"}
    assert "ada" not in repr(token)


@pytest.mark.parametrize("alg", ["none", "None", "nOnE", "HS256", "HS512", "RS512", "", None, ["RS256"], GONE])
async def test_other_algorithms_are_refused(keys: RemoteKeys, hostile: HostileProvider, alg: Any) -> None:
    """RFC 8725 3.1 and 3.2, ASVS 5.0, 9.1.2.

    The algorithm is the receiver's choice. `none` is
    oidcc-client-test-idtoken-sig-none."""
    token = _with_header(hostile.sign({}, {}), {"alg": alg, "kid": "one"})
    for candidate in (token, unsigned(token)):
        with pytest.raises(TokenRefused) as refused:
            await verify(candidate, keys, ALLOWED)
        assert refused.value.reason in {"alg", "format"}


async def test_a_public_key_never_serves_as_a_secret(keys: RemoteKeys, hostile: HostileProvider) -> None:
    """RFC 8725 2.1: an HMAC with the public key.

    Every client knows it, and HS256 may be allowed by mistake.
    """
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
    """RFC 8725 3.10, ASVS 5.0, 9.1.3.

    `jwk`, `jku` and `x5u` of a token are the sender's.
    """
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
