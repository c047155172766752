"""Users that a trusted proxy names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fluxlit_auth import Assertion, AuthConfigError, TrustedProxy
from tests.auth.issuing import ISSUER, JWKS, Issuing, scope

pytestmark = pytest.mark.anyio


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
    with pytest.raises(AuthConfigError, match="accepts every client"):
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
