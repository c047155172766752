"""Values of settings as `fluxlit config` shows them: without passwords."""

from __future__ import annotations

import pytest

from fluxlit.observability.logs.masking import masked
from fluxlit.settings import describe

PASSWORDS = ["Xk3/9fQ+secretkey=", "p#ss", "p?ss", "p@ss", "[abc]x", "12345/secret", "p ss"]


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_of_a_store_is_hidden_with_any_characters(password: str) -> None:
    url = f"rediss://user:{password}@cache:6379/0"
    assert masked("session_store", url) == "rediss://user:***@cache:6379/0"
    assert password not in describe.shown(url)


def test_what_is_no_password_stays() -> None:
    for url in ("https://host:8000/a?mail=a@b", "redis://cache:6379/0", "sqlite:///a@b.db"):
        assert masked("session_store", url) == url
    assert masked("session_store", "redis://cache/0?sentinel_password=p@ss") == "redis://cache/0?sentinel_password=***"
