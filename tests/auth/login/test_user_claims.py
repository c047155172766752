"""UserInfo: asked, refused, signed."""

from typing import Any

import pytest

from tests.auth.browser import Browser, replica
from tests.auth.conftest import Clock
from tests.auth.hostile import GONE, RSA_KEYS, HostileProvider

pytestmark = pytest.mark.anyio

JSON, SIGNED = "application/json", "application/jwt"

REFUSALS = [
    (401, '{"error": "invalid_token"}', JSON),
    (403, '{"error": "insufficient_scope"}', JSON),
    (404, "nope", "text/plain"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: str(refusal[0]))
async def test_the_id_token_alone_is_enough_where_userinfo_is_refused(
    hostile: HostileProvider, clock: Clock, caplog: pytest.LogCaptureFixture, refusal: tuple[int, str, str]
) -> None:
    """AD FS has a UserInfo that refuses tokens for another audience."""
    hostile.claims["groups"] = ["staff"]
    hostile.instead["userinfo"] = refusal
    browser = Browser(replica(hostile, clock))
    assert (await browser.log_in(hostile)).status_code == 303
    user = (await browser.verdict()).user
    assert user is not None
    assert user.roles == {"staff"}
    assert "oidc_userinfo=off" in caplog.text
    clock.pass_(3570)
    assert (await browser.verdict()).user is not None, "and after a refresh"
    assert hostile.calls["token"] == 2


async def test_a_required_userinfo_is_not_done_without(hostile: HostileProvider, clock: Clock) -> None:
    hostile.instead["userinfo"] = REFUSALS[0]
    browser = Browser(replica(hostile, clock, oidc_userinfo="required"))
    assert (await browser.log_in(hostile)).status_code == 503
    hostile.metadata["userinfo_endpoint"] = GONE
    browser = Browser(replica(hostile, clock, oidc_userinfo="required"))
    assert (await browser.log_in(hostile)).status_code == 503


async def test_a_userinfo_that_fails_is_an_outage(hostile: HostileProvider, clock: Clock) -> None:
    hostile.failing["userinfo"] = 500
    assert (await Browser(replica(hostile, clock)).log_in(hostile)).status_code == 503


async def test_userinfo_can_be_off(hostile: HostileProvider, clock: Clock) -> None:
    hostile.userinfo["sub"] = "eve"
    browser = Browser(replica(hostile, clock, oidc_userinfo="off"))
    assert (await browser.log_in(hostile)).status_code == 303
    assert hostile.calls["userinfo"] == 0


def signed(hostile: HostileProvider, **changes: Any) -> tuple[int, str, str]:
    """A signed UserInfo response."""
    claims = {"sub": "ada", "iss": hostile.issuer, "aud": hostile.client_id, "groups": ["admin"], **changes}
    return 200, hostile.sign({name: value for name, value in claims.items() if value is not GONE}, {}), SIGNED


@pytest.mark.parametrize("changes", [{}, {"iss": GONE, "aud": GONE}, {"aud": ["the-client"]}], ids=str)
async def test_userinfo_may_be_a_signed_token(hostile: HostileProvider, clock: Clock, changes: dict[str, Any]) -> None:
    """OpenID Connect Core 5.3.2."""
    hostile.instead["userinfo"] = signed(hostile, **changes)
    browser = Browser(replica(hostile, clock))
    assert (await browser.log_in(hostile)).status_code == 303
    user = (await browser.verdict()).user
    assert user is not None
    assert user.roles == {"admin"}


LIES: list[dict[str, Any]] = [{"iss": "https://evil.test"}, {"aud": "other"}, {"sub": "eve"}, {"sub": GONE}]


@pytest.mark.parametrize("lie", LIES, ids=str)
async def test_a_signed_userinfo_that_lies_signs_nobody_in(
    hostile: HostileProvider, clock: Clock, lie: dict[str, Any]
) -> None:
    hostile.instead["userinfo"] = signed(hostile, **lie)
    assert (await Browser(replica(hostile, clock)).log_in(hostile)).status_code == 400


@pytest.mark.parametrize("fault", ["unsigned", "forged", "encrypted", "empty"])
async def test_a_signature_of_userinfo_is_verified(hostile: HostileProvider, clock: Clock, fault: str) -> None:
    hostile.signing_key = RSA_KEYS[1]
    other = signed(hostile)[1]
    hostile.signing_key = RSA_KEYS[0]
    text = {
        "unsigned": signed(hostile)[1].rpartition(".")[0] + ".",
        "forged": other,
        "encrypted": "a.b.c.d.e",
        "empty": "",
    }[fault]
    hostile.instead["userinfo"] = (200, text, SIGNED)
    assert (await Browser(replica(hostile, clock)).log_in(hostile)).status_code == 400
