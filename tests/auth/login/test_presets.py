"""Providers with ways of their own."""

from dataclasses import replace
from typing import Any

import httpx2
import pytest

from fluxlit.settings import Settings
from fluxlit_auth import OIDC
from fluxlit_auth.errors import AuthConfigError
from fluxlit_auth.login import options
from fluxlit_auth.login.claims import email, roles
from fluxlit_auth.login.presets import PRESETS
from tests.auth.browser import Browser, Context, replica
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


@pytest.mark.parametrize(
    ("claims", "paths", "expected"),
    [
        ({"https://example.com/roles": ["a"]}, ("https://example.com/roles",), ("a",)),
        ({"a": {"b.c": {"d": "x"}}}, ("a.b.c.d",), ("x",)),
        ({"a": {"b": ["x"]}, "a.b": ["y"]}, ("a.b",), ("y",)),
        ({"roles": {"admin": {"org": "1"}}}, ("roles",), ("admin",)),
        ({"roles": ["a", 1, None, "", ["b"]]}, ("roles",), ("a",)),
        ({"roles": 7, "a": "text"}, ("roles", "a.b", "missing"), ()),
    ],
)
def test_roles_are_found_in_every_shape(claims: Any, paths: Any, expected: Any) -> None:
    assert roles(claims, paths) == expected


@pytest.mark.parametrize(("verified", "expected"), [(True, "a@b"), (None, "a@b"), (False, None), ("false", None)])
def test_an_address_that_nobody_has_verified_is_none(verified: Any, expected: str | None) -> None:
    assert email({"email": "a@b", "email_verified": verified}) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"oidc_issuer": ""}, "FLUXLIT_OIDC_ISSUER"),
        ({"oidc_client_id": ""}, "FLUXLIT_OIDC_CLIENT_ID"),
        ({"oidc_client_secret": ""}, "FLUXLIT_OIDC_CLIENT_SECRET"),
        ({"oidc_issuer": "http://login.example.com"}, "https"),
        ({"oidc_algorithms": ("HS256",)}, "HS256"),
        ({"oidc_algorithms": ("none",)}, "none"),
        ({"oidc_client_key_file": "/does/not/exist"}, "cannot be read"),
        ({"login_idle_timeout_s": 90.0, "login_absolute_timeout_s": 60.0}, "login_idle_timeout_s"),
        ({"session_store": "nosuch://host"}, "nosuch"),
    ],
)
def test_what_cannot_work_is_said_before_anything_starts(
    hostile: HostileProvider, clock: Clock, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(AuthConfigError, match=message):
        replica(hostile, clock, **changes)


def test_arguments_in_code_are_weaker_than_settings(hostile: HostileProvider) -> None:
    transport = httpx2.ASGITransport(app=hostile)
    oidc = OIDC(issuer="https://code.test", client_id="code", client_secret="code", transport=transport)
    oidc.bind(Context(Settings(oidc_client_id="settings")))
    with pytest.raises(AuthConfigError, match="code_challenge"):
        OIDC(
            issuer="https://code.test", client_id="a", client_secret="b", authorization_params={"code_challenge": "x"}
        ).bind(Context(Settings()))
