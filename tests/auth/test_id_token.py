"""ID tokens: what their content may be.

Each case of the conformance suite for relying parties that is about it, and more.
"""

from typing import Any

import pytest

from fluxlit_auth.errors import TokenRefused
from fluxlit_auth.id_token import Expected, check_id_token, half_hash
from fluxlit_auth.jws import Verified
from tests.auth.hostile import GONE, changed

NOW = 1_800_000_000
GOOD = {
    "iss": "https://provider.test",
    "sub": "ada",
    "aud": "the-client",
    "exp": NOW + 300,
    "iat": NOW,
    "nonce": "n",
    "at_hash": half_hash("access", "RS256"),
    "c_hash": half_hash("code", "RS256"),
}
EXPECTED = Expected("https://provider.test", "the-client", NOW, 30, nonce="n", access_token="access", code="code")


def check(changes: dict[str, Any], expected: Expected = EXPECTED) -> None:
    check_id_token(Verified({"alg": "RS256"}, changed(GOOD, changes)), expected)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"aud": ["the-client"]},
        {"aud": ["the-client", "other"], "azp": "the-client"},
        {"azp": "the-client"},
        {"exp": NOW - 29},
        {"exp": NOW + 0.5},
        {"iat": NOW + 29},
        {"iat": NOW - 500},
        {"nbf": NOW + 29},
        {"at_hash": GONE, "c_hash": GONE},
        {"unknown": {"a": [1]}},
    ],
)
def test_good_tokens(changes: dict[str, Any]) -> None:
    check(changes)


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        # OpenID Connect Core 3.1.3.7 (2): oidcc-client-test-invalid-iss, ASVS 10.5.3
        ("iss", {"iss": "https://evil.test"}),
        ("iss", {"iss": "https://provider.test/"}),
        ("iss", {"iss": GONE}),
        ("iss", {"iss": ["https://provider.test"]}),
        # (3): oidcc-client-test-invalid-aud, oidcc-client-test-missing-aud, ASVS 10.5.4
        ("aud", {"aud": "other"}),
        ("aud", {"aud": GONE}),
        ("aud", {"aud": []}),
        ("aud", {"aud": ["other"]}),
        ("aud", {"aud": {"the-client": 1}}),
        ("aud", {"aud": "the-client-2"}),
        # (4) and (5)
        ("azp", {"aud": ["the-client", "other"]}),
        ("azp", {"azp": "other"}),
        ("azp", {"azp": ""}),
        # (9)
        ("exp", {"exp": NOW - 30}),
        ("exp", {"exp": GONE}),
        ("exp", {"exp": "soon"}),
        ("exp", {"exp": True}),
        ("exp", {"exp": None}),
        ("exp", {"exp": float("nan")}),
        ("exp", {"exp": float("inf")}),
        ("exp", {"exp": 10**30}),
        # (10): oidcc-client-test-missing-iat
        ("iat", {"iat": GONE}),
        ("iat", {"iat": NOW + 31}),
        ("iat", {"iat": NOW - 631}),
        ("iat", {"iat": "now"}),
        ("nbf", {"nbf": NOW + 31}),
        ("nbf", {"nbf": None}),
        # 2: oidcc-client-test-missing-sub, ASVS 10.5.2
        ("sub", {"sub": GONE}),
        ("sub", {"sub": ""}),
        ("sub", {"sub": 7}),
        ("sub", {"sub": "x" * 256}),
        # (11): oidcc-client-test-nonce-invalid, ASVS 10.5.1
        ("nonce", {"nonce": "other"}),
        ("nonce", {"nonce": GONE}),
        ("nonce", {"nonce": ["n"]}),
        # 3.1.3.8 and 3.3.2.11: oidcc-client-test-invalid-at-hash, oidcc-client-test-invalid-c-hash
        ("at_hash", {"at_hash": half_hash("other", "RS256")}),
        ("at_hash", {"at_hash": ""}),
        ("c_hash", {"c_hash": half_hash("other", "RS256")}),
    ],
)
def test_bad_tokens(reason: str, changes: dict[str, Any]) -> None:
    """OpenID Connect Core 3.1.3.7 and 3.1.3.8.

    ASVS 5.0, 9.2.1, 9.2.3, 10.5.1, 10.5.2 and 10.5.4.
    """
    with pytest.raises(TokenRefused) as refused:
        check(changes)
    assert refused.value.reason == reason


def test_after_a_refresh_it_is_about_the_same_user() -> None:
    """OpenID Connect Core 12.2: oidcc-client-test-refresh-token-invalid-sub."""
    expected = Expected("https://provider.test", "the-client", NOW, 30, subject="ada")
    check({"nonce": GONE}, expected)
    with pytest.raises(TokenRefused) as refused:
        check({"nonce": GONE, "sub": "eve"}, expected)
    assert refused.value.reason == "sub"


@pytest.mark.parametrize(
    ("alg", "expected"),
    # The values of an independent computation: head of the hash, half of it, base64url without padding.
    [
        ("RS256", "77QmUPtjPfzWtF2AnpK9RQ"),
        ("ES256", "77QmUPtjPfzWtF2AnpK9RQ"),
        ("PS256", "77QmUPtjPfzWtF2AnpK9RQ"),
    ],
)
def test_half_hash_is_the_one_of_the_specification(alg: str, expected: str) -> None:
    """The example of OpenID Connect Core A.3."""
    assert half_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", alg) == expected
