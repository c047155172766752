"""Which origins may open a WebSocket to the UI.

Rule 41 of docs/contributing/proxy-rules.md.
"""

from __future__ import annotations

import pytest

from fluxlit.gateway.origin_policy import OriginPolicy, normalised

POLICY = OriginPolicy.of(["https://friend.example", "http://dev.example:5173"], "https://app.example/mount")


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "public.example", True),
        ("https://public.example", "public.example", True),
        ("http://public.example", "public.example", True),
        ("https://PUBLIC.example:443", "public.example", True),
        ("http://public.example:8000", "public.example:8000", True),
        ("http://public.example:8000", "public.example", False),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("https://friend.example", "public.example", True),
        ("http://friend.example", "public.example", False),
        ("http://dev.example:5173", "public.example", True),
        ("http://dev.example", "public.example", False),
        ("https://app.example", "internal:8000", True),
        ("https://evil.example", "public.example", False),
        ("https://public.example.evil.example", "public.example", False),
        ("https://evilpublic.example", "public.example", False),
        ("https://sub.public.example", "public.example", False),
        ("https://public.example@evil.example", "public.example", False),
        ("https://user@public.example", "public.example", False),
        ("https://evil.example#public.example", "public.example", False),
        ("https://public.example, https://evil.example", "public.example", False),
        ("null", "public.example", False),
        ("", "public.example", False),
        ("file://", "public.example", False),
        ("chrome-extension://abc", "public.example", False),
        ("http://[", "public.example", False),
        ("http://public.example:99999", "public.example", False),
        ("http://public.example:x", "public.example", False),
        ("//public.example", "public.example", False),
    ],
)
def test_rule_41_only_the_applications_own_origin_and_listed_ones_are_let_in(
    origin: str | None, host: str, allowed: bool
) -> None:
    """RFC 6455 section 10.2; OWASP ASVS 4.4.2."""
    assert POLICY.allows(origin, host, "http") is allowed


def test_an_empty_policy_lets_in_the_own_origin_only() -> None:
    policy = OriginPolicy.of(())
    assert policy.allows("https://a.example", "a.example", "http")
    assert not policy.allows("https://friend.example", "a.example", "http")
    assert normalised("") == ""


@pytest.mark.parametrize(
    ("public", "host", "scheme", "origin", "allowed"),
    [
        ("", "a.example", "https", "https://a.example", True),
        ("", "a.example", "https", "http://a.example", False),
        ("", "a.example", "wss", "http://a.example", False),
        ("", "a.example:8443", "https", "http://a.example:8443", False),
        ("", "a.example", "http", "http://a.example", True),
        ("", "a.example", "http", "https://a.example", True),
        ("https://a.example/app", "a.example", "http", "http://a.example", False),
        ("https://a.example/app", "a.example", "http", "https://a.example", True),
        ("https://a.example/app", "localhost:8000", "http", "http://localhost:8000", True),
        ("http://a.example", "a.example", "http", "http://a.example", True),
    ],
)
def test_the_scheme_is_compared_where_it_is_known(
    public: str, host: str, scheme: str, origin: str, allowed: bool
) -> None:
    """An attacker in the network can write a page for the same host.

    With `http:`, that is; TLS prevents it.
    """
    assert OriginPolicy.of((), public).allows(origin, host, scheme) is allowed
