"""Encryption of stored content.

Only the same secret and purpose decrypt it.
"""

from typing import Any

import pytest

from fluxlit_auth.login.encryption import decrypt, encrypt, new_secret

SECRET = new_secret()


def test_content_comes_back_and_never_looks_the_same() -> None:
    encrypted = {encrypt({"a": [1, "ü"]}, SECRET, "test") for _ in range(10)}
    assert len(encrypted) == 10
    assert all(decrypt(each, SECRET, "test") == {"a": [1, "ü"]} for each in encrypted)


@pytest.mark.parametrize(
    ("secret", "purpose"),
    [(new_secret(), "test"), (SECRET, "other"), ("", "test")],
    ids=["secret", "purpose", "no secret"],  # a random value in a name is another test in each process
)
def test_another_secret_or_purpose_decrypts_nothing(secret: str, purpose: str) -> None:
    assert decrypt(encrypt({"a": 1}, SECRET, "test"), secret, purpose) is None


@pytest.mark.parametrize("encrypted", [None, 7, "", "é", "AAAA", "A" * 1000, [], b"x"])
def test_malformed_content_is_none(encrypted: Any) -> None:
    assert decrypt(encrypted, SECRET, "test") is None


def test_changed_content_is_none() -> None:
    encrypted = encrypt({"a": 1}, SECRET, "test")
    other = "A" if encrypted[20] != "A" else "B"
    assert decrypt(encrypted[:20] + other + encrypted[21:], SECRET, "test") is None
