"""API keys, and users whom a trusted proxy names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fluxlit_auth import APIKey, APIKeys, Assertion, AuthConfigError, TrustedProxy, hash_api_key, new_api_key
from tests.auth.machine.issuing import ISSUER, JWKS, Issuing, scope

pytestmark = pytest.mark.anyio


async def test_an_api_key_names_its_owner_and_only_its_hash_is_kept() -> None:
    key, hashed = new_api_key()
    keys = APIKeys([APIKey("ci", hashed, roles=frozenset({"deploy"}))])
    user = (await keys.authenticate(scope(("X-API-Key", key)))).user
    assert user is not None
    assert (user.subject, user.roles, user.scheme) == ("ci", frozenset({"deploy"}), "api-key")
    assert key not in repr(vars(keys))
    assert keys.strips() == (b"x-api-key",)


@pytest.mark.parametrize("sent", [["wrong"], [""], ["k" * 600], ["good", "good"]])
async def test_a_wrong_api_key_is_401(sent: list[str]) -> None:
    keys = APIKeys([APIKey("ci", hash_api_key("good"))])
    problem = (await keys.authenticate(scope(*(("X-API-Key", each) for each in sent)))).problem
    assert problem is not None
    assert problem.status == 401


async def test_an_expired_api_key_is_401_and_none_is_nothing() -> None:
    keys = APIKeys([APIKey("ci", hash_api_key("good"), expires_at=100.0)], clock=lambda: 100.0)
    assert (await keys.authenticate(scope(("X-API-Key", "good")))).problem
    assert (await keys.authenticate(scope())).problem is None


@pytest.mark.parametrize("hashed", ["", "good", "sha256:xyz", "a" * 64])
def test_what_is_no_hash_is_refused(hashed: str) -> None:
    with pytest.raises(AuthConfigError):
        APIKey("ci", hashed)


NAMED = [
    ("X-Forwarded-User", "ada"),
    ("X-Forwarded-Email", "ada@example.org"),
    ("X-Forwarded-Groups", "admin, staff"),
    ("X-Forwarded-Preferred-Username", "Ada L."),
]


async def test_a_trusted_proxy_names_the_user() -> None:
    user = (await TrustedProxy().authenticate(scope(*NAMED, trusted=True))).user
    assert user is not None
    assert (user.subject, user.email, user.name) == ("ada", "ada@example.org", "Ada L.")
    assert (user.roles, user.scheme) == (frozenset({"admin", "staff"}), "proxy")


async def test_a_stranger_names_nobody() -> None:
    """ASVS 5.0, 4.1.3."""
    verdict = await TrustedProxy().authenticate(scope(*NAMED))
    assert (verdict.user, verdict.problem) == (None, None)


async def test_two_names_are_one_too_many() -> None:
    forged = scope(("X-Forwarded-User", "root"), *NAMED, trusted=True)
    verdict = await TrustedProxy().authenticate(forged)
    assert verdict.user is None
    assert verdict.problem is not None


def context(**settings: Any) -> Any:
    return SimpleNamespace(settings=SimpleNamespace(**{"trust_proxy": True, "forwarded_allow_ips": (), **settings}))


def test_without_a_trusted_proxy_it_does_not_start() -> None:
    TrustedProxy().bind(context())
    with pytest.raises(AuthConfigError, match="FLUXLIT_TRUST_PROXY"):
        TrustedProxy().bind(context(trust_proxy=False))
    with pytest.raises(AuthConfigError, match="believes every client"):
        TrustedProxy().bind(context(forwarded_allow_ips=("*",)))


async def test_a_signed_assertion_is_checked_and_plain_fields_are_not_read() -> None:
    issuing = Issuing()
    assertion = Assertion("X-Assertion", ISSUER, "orders", JWKS)
    proxy = TrustedProxy(assertion, web=issuing.web)
    good = issuing.token(email="ada@example.org", groups=["admin"])
    user = (await proxy.authenticate(scope(("X-Assertion", good), trusted=True))).user
    assert user is not None
    assert (user.subject, user.roles) == ("ada", frozenset({"admin"}))
    assert (await proxy.authenticate(scope(("X-Assertion", good)))).user is None
    assert (await proxy.authenticate(scope(*NAMED, trusted=True))).user is None
    for wrong in (issuing.token(aud="other"), issuing.token(iss="https://x.example"), "x.y.z"):
        assert (await proxy.authenticate(scope(("X-Assertion", wrong), trusted=True))).problem
    assert b"x-assertion" in proxy.strips()
