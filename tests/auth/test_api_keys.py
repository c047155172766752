"""API keys: only hashes are stored, and invalid keys are refused."""

from __future__ import annotations

import pytest

from fluxlit_auth import APIKey, APIKeys, AuthConfigError, hash_api_key, new_api_key
from tests.auth.issuing import scope

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
