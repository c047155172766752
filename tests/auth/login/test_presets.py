"""Providers with particular needs."""

from dataclasses import replace
from typing import Any

import pytest

from fluxlit_auth.login import options
from fluxlit_auth.login.presets import PRESETS
from tests.auth.browser import Browser, replica
from tests.auth.conftest import Clock
from tests.auth.hostile import GONE, HostileProvider

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("preset", "claims", "expected"),
    [
        ("keycloak", {"realm_access": {"roles": ["admin"]}, "groups": ["/staff"]}, {"admin", "/staff"}),
        ("keycloak", {"resource_access": {"the-client": {"roles": ["editor"]}, "other": {"roles": ["x"]}}}, {"editor"}),
        ("entra", {"roles": ["Admin"], "groups": ["0000-1111"]}, {"Admin", "0000-1111"}),
        ("okta", {"groups": ["Everyone"]}, {"Everyone"}),
        ("auth0", {"permissions": ["read:users"]}, {"read:users"}),
        ("google", {"roles": ["admin"], "groups": ["admin"]}, set()),
    ],
)
async def test_roles_are_where_the_provider_puts_them(
    hostile: HostileProvider, clock: Clock, preset: str, claims: dict[str, Any], expected: set[str]
) -> None:
    hostile.claims.update(claims)
    browser = Browser(replica(hostile, clock, oidc_preset=preset))
    await browser.log_in(hostile)
    user = (await browser.verdict()).user
    assert user is not None
    assert user.roles == expected


async def test_github_has_no_id_tokens(hostile: HostileProvider, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    known = PRESETS["github"].known
    assert known is not None
    here = replace(
        known,
        issuer=hostile.issuer,
        authorization_endpoint=f"{hostile.issuer}/authorize",
        token_endpoint=f"{hostile.issuer}/token",
        userinfo_endpoint=f"{hostile.issuer}/userinfo",
    )
    fake = replace(PRESETS["github"], issuer=hostile.issuer, known=here)
    monkeypatch.setattr(options, "PRESETS", {"github": fake})
    hostile.tokens.update(id_token=GONE, refresh_token=GONE, expires_in=GONE, token_type="bearer")
    hostile.callback["iss"] = GONE
    hostile.userinfo.update(sub=GONE, id=583231, login="octocat", name=None)
    browser = Browser(replica(hostile, clock, oidc_preset="github", oidc_issuer=""))
    assert (await browser.log_in(hostile)).status_code == 303
    user = (await browser.verdict()).user
    assert user is not None
    assert (user.subject, user.name, user.issuer) == ("583231", "octocat", hostile.issuer)
    assert "nonce" not in hostile.requests[0]
    assert "client_secret" in hostile.forms[0]
    hostile.tokens.update(error="bad_verification_code", access_token=GONE)
    assert (await browser.log_in(hostile)).status_code == 400
    hostile.tokens.clear()
    hostile.userinfo["id"] = GONE
    assert (await browser.log_in(hostile)).status_code == 400, "nobody without an id"
