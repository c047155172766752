"""Identity proxies in front of the real gateway.

Which of them are trusted, and what goes no further.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from fluxlit.auth.access_policy import AccessPolicy
from fluxlit.auth.contract import USER
from fluxlit.auth.middleware import AuthMiddleware
from fluxlit.auth.user_headers import read_user
from fluxlit.gateway import Gateway, OriginPolicy, RouteTable, Trust
from fluxlit_auth import TrustedProxy
from tests.auth.test_load_balancer import ARN, KEY, NOW, Keys, assertion, data, principal
from tests.gateway.gateway.asking import Answer, Recorder, ask, scope_of

pytestmark = pytest.mark.anyio

PROXY = ("10.0.0.1", 4711)
STRANGER = ("203.0.113.9", 4711)
ID = "00000000-0000-0000-0000-000000000001"

Said = list[tuple[str, str]]
PRESETS: dict[str, tuple[Callable[..., TrustedProxy], tuple[str, ...], Callable[[], Said], str]] = {
    "oauth2-proxy": (
        TrustedProxy.oauth2_proxy,
        (),
        lambda: [("X-Forwarded-User", "ada"), ("X-Forwarded-Access-Token", "token")],
        "_oauth2_proxy",
    ),
    "cloudflare": (
        TrustedProxy.cloudflare_access,
        ("acme", "tag"),
        lambda: [
            ("Cf-Access-Jwt-Assertion", assertion(KEY, iss="https://acme.cloudflareaccess.com", aud="tag")),
            ("Cf-Access-Authenticated-User-Email", "ada@example.org"),
        ],
        "CF_Authorization",
    ),
    "pomerium": (
        TrustedProxy.pomerium,
        ("app.example",),
        lambda: [("X-Pomerium-Jwt-Assertion", assertion(KEY, iss="app.example", aud="app.example"))],
        "_pomerium",
    ),
    "alb": (
        TrustedProxy.aws_alb,
        (ARN,),
        lambda: [("x-amzn-oidc-data", data()), ("x-amzn-oidc-accesstoken", "token"), ("x-amzn-oidc-identity", "ada")],
        "AWSELBAuthSessionCookie-0",
    ),
    "azure": (
        TrustedProxy.azure_easy_auth,
        (),
        lambda: [
            ("X-MS-CLIENT-PRINCIPAL-ID", ID),
            ("X-MS-CLIENT-PRINCIPAL", principal()),
            ("X-MS-TOKEN-AAD-ACCESS-TOKEN", "token"),
        ],
        "AppServiceAuthSession",
    ),
}


@dataclass
class Readiness:
    ready: bool = True
    detail: str = ""


class Scene:
    """The gateway behind a proxy, with a public path beside what is protected."""

    def __init__(self, preset: str, *, trust: bool = True) -> None:
        make, arguments, self.said, self.cookie = PRESETS[preset]
        self.api, self.ui = Recorder("api"), Recorder("ui")
        self.proxy = make(*arguments, web=Keys().web, clock=lambda: NOW)
        rules = AccessPolicy(pages=frozenset({"/about"}), paths=("/api/hook",))
        self.gateway = Gateway(
            routes=RouteTable("/api", assets=False),
            api=self.api,
            ui=self.ui,
            readiness=Readiness,
            trust=Trust.of(enabled=trust, allowed=["10.0.0.1"]),
            guard=AuthMiddleware([self.proxy], rules, origins=OriginPolicy.of(()), api="/api").admit,
        )

    async def ask(
        self, target: str, client: tuple[str, int], *, spelled: Callable[[str], str], **changes: Any
    ) -> Answer:
        fields = [(spelled(name).lower().encode(), value.encode()) for name, value in self.said()]
        fields.append((b"cookie", f"{self.cookie}=ticket; theme=dark".encode()))
        return await ask(self.gateway, scope_of(target, *fields, client=client, **changes))

    def leaks(self, recorder: Recorder) -> list[str]:
        """What of the proxy's fields an application got."""
        secret = {name.lower() for name, _ in self.said()}
        got = {name.decode().replace("_", "-") for name, _ in recorder.last["headers"]}
        cookies = b"; ".join(recorder.field(b"cookie"))
        return [*sorted(secret & got), *([self.cookie] if self.cookie.encode() in cookies else [])]


def plainly(name: str) -> str:
    return name


def underscored(name: str) -> str:
    return name.replace("-", "_")


@pytest.mark.parametrize("preset", PRESETS)
async def test_the_proxy_names_the_user_and_its_words_go_no_further(preset: str) -> None:
    scene = Scene(preset)
    assert (await scene.ask("/api/me", PROXY, spelled=plainly)).status == 200
    user = scene.api.last[USER]
    assert (user.subject, user.scheme) == (ID if preset == "azure" else "ada", "proxy")
    assert scene.leaks(scene.api) == []
    assert (await scene.ask("/page", PROXY, spelled=plainly)).status == 200
    assert read_user(scene.ui.field(b"x-fluxlit-user")) is not None
    assert scene.leaks(scene.ui) == []
    assert scene.ui.field(b"cookie") == [b"theme=dark"]
    assert (await scene.ask("/_stcore/stream", PROXY, spelled=plainly, kind="websocket")).status == 101


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("client", "spelled", "trust"),
    [(STRANGER, plainly, True), (PROXY, underscored, True), (PROXY, plainly, False), (STRANGER, underscored, False)],
    ids=["stranger", "underscores", "trust is off", "both"],
)
async def test_nobody_else_names_users(
    preset: str, kind: str, client: tuple[str, int], spelled: Callable[[str], str], trust: bool
) -> None:
    """ASVS 5.0, 4.1.3.

    Forged fields are refused where a user is needed, and taken away where none is.
    """
    scene = Scene(preset, trust=trust)
    assert (await scene.ask("/api/me", client, spelled=spelled, kind=kind)).status == 401
    assert scene.api.scopes == []
    assert (await scene.ask("/api/hook", client, spelled=spelled, kind=kind)).status in (101, 200)
    assert USER not in scene.api.last
    assert scene.leaks(scene.api) == []
    if kind == "http":
        assert (await scene.ask("/about", client, spelled=spelled)).status == 200
        assert not scene.ui.field(b"x-fluxlit-user")
        assert scene.leaks(scene.ui) == []


@pytest.mark.parametrize("preset", PRESETS)
async def test_another_sites_form_does_not_act_for_the_user(preset: str) -> None:
    """CSRF: ASVS 5.0, 3.5.1.

    A proxy adds its user to any request that a browser is made to send.
    """
    scene = Scene(preset)
    fields = [(name.lower().encode(), value.encode()) for name, value in scene.said()]
    scope = scope_of("/api/me", *fields, (b"origin", b"https://evil.example"), client=PROXY, method="POST")
    assert (await ask(scene.gateway, scope)).status == 403
    own = scope_of("/api/me", *fields, (b"sec-fetch-site", b"same-origin"), client=PROXY, method="POST")
    assert (await ask(scene.gateway, own)).status == 200
