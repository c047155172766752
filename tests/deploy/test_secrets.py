"""Secrets are recognised in variables and in the content of files."""

from __future__ import annotations

import pytest

from fluxlit_deploy.secrets import holds_key, is_secret, lines_with_credentials


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("API_TOKEN", "abc", True),
        ("API_TOKEN", "${API_TOKEN}", False),
        ("API_TOKEN", "", False),
        ("COLOUR", "blue", False),
        ("STORE", "redis://:abc@redis:6379/0", True),
        ("STORE", "redis://:${REDIS_PASSWORD}@redis:6379/0", False),
    ],
)
def test_a_variable_is_a_secret_by_name_and_value(name: str, value: str, expected: bool) -> None:
    assert is_secret(name, value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"ghp_{'a1B2' * 9}", True),
        ("glpat-abcdefghij0123456789", True),
        ("AKIAABCDEFGHIJKLMNOP", True),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ", True),
        ("-----BEGIN PRIVATE KEY-----", False),
        ("-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA", False),
        (f"sk-or-v1-{'a1' * 20}", True),
        (f"SG.{'a' * 22}.{'b' * 43}", True),
        (f"aws_secret_access_key = {'a1B/' * 10}", True),
        (f'"AWS_SECRET_ACCESS_KEY": "{"a1B/" * 10}"', True),
        ("aws_secret_access_key = os.environ['KEY']", False),
        (f"DefaultEndpointsProtocol=https;AccountKey={'a1B/' * 21}ab==", True),
        ('{"auths": {"registry.example": {"auth": "dXNlcjpwYXNz"}}}', True),
        ("machine index.example\n  login me password hunter2", True),
        ("auth: bearer", False),
        ("a file about ghp_ and glpat-", False),
    ],
)
def test_keys_and_tokens_are_known_by_their_form(text: str, expected: bool) -> None:
    assert holds_key(text) == expected


def test_the_lines_are_counted() -> None:
    assert list(lines_with_credentials("a\nhttps://u:p@x\n\nhttps://x\ngit+https://u:p@x\n")) == [2, 5]
