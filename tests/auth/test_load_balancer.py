"""Well-known proxies: what each sends, and which lies are refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key
from joserfc.jws import JWSRegistry

from fluxlit_auth import Assertion, AuthConfigError, TrustedProxy
from fluxlit_auth.http_client import HttpClient
from fluxlit_auth.load_balancer import RegionalKeys
from tests.auth.issuing import scope

pytestmark = pytest.mark.anyio

NOW = 1_800_000_000.0
ARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/portal/0123456789abcdef"
KEY = ECKey.generate_key("P-256", {"kid": "one"})
OTHER = ECKey.generate_key("P-256", {"kid": "one"})
KEY_ID = "c7a7b1d0-1111-4222-8333-444455556666"


class Keys:
    """Where proxies publish their keys, and where no others do."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.down = False
        self.web = HttpClient(httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        if self.down:
            raise httpx.ConnectError("no route")
        if request.url.host == "public-keys.auth.elb.eu-west-1.amazonaws.com":
            known = request.url.path == f"/{KEY_ID}"
            return httpx.Response(200, content=KEY.as_pem(private=False)) if known else httpx.Response(403)
        return httpx.Response(200, json={"keys": [KEY.as_dict(private=False)]})


@pytest.fixture
def keys() -> Keys:
    return Keys()


def padded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode()


def data(*, key: Key = KEY, claims: Mapping[str, Any] | None = None, **head: Any) -> str:
    """A statement of a load balancer, with the padding that it has."""
    header = {
        "typ": "JWT",
        "kid": KEY_ID,
        "alg": "ES256",
        "iss": "https://login.example",
        "client": "portal",
        "signer": ARN,
        "exp": NOW + 120,
        **head,
    }
    said = {
        "sub": "ada",
        "email": "ada@example.org",
        "name": "Ada",
        "groups": ["admin"],
        "exp": NOW + 120,
        "iss": "https://login.example",
        **(claims or {}),
    }
    kept = [{name: each for name, each in part.items() if each is not None} for part in (header, said)]
    signed = ".".join(padded(json.dumps(part).encode()) for part in kept)
    return f"{signed}.{padded(JWSRegistry.algorithms['ES256'].sign(signed.encode(), key))}"


def alb(keys: Keys, **options: Any) -> TrustedProxy:
    return TrustedProxy.aws_alb(ARN, web=keys.web, clock=lambda: NOW, **options)


def said(token: str, *, trusted: bool = True) -> dict[str, Any]:
    return scope(("x-amzn-oidc-data", token), ("x-amzn-oidc-identity", "root"), trusted=trusted)


async def test_a_load_balancer_names_the_user(keys: Keys) -> None:
    proxy = alb(keys, client_id="portal")
    user = (await proxy.authenticate(said(data()))).user
    assert user is not None
    assert (user.subject, user.issuer, user.name, user.roles) == (
        "ada",
        "https://login.example",
        "Ada",
        frozenset({"admin"}),
    )
    assert "=" in data()
    await proxy.authenticate(said(data()))
    assert len(keys.asked) == 1


LIES: dict[str, Callable[[], str]] = {
    "another load balancer": lambda: data(signer=ARN.replace("portal", "evil")),
    "no load balancer": lambda: data(signer=None),
    "another key": lambda: data(key=OTHER),
    "another client": lambda: data(client="other"),
    "expired head": lambda: data(exp=NOW - 60),
    "expired claims": lambda: data(claims={"exp": NOW - 60}),
    "no end": lambda: data(exp=None),
    "end is text": lambda: data(exp="soon"),
    "end is no number": lambda: data(exp=float("nan")),
    "none": lambda: data(alg="none"),
    "a secret": lambda: data(alg="HS256"),
    "two issuers": lambda: data(claims={"iss": "https://evil.example"}),
    "no user": lambda: data(claims={"sub": None, "email": None}),
    "unknown key": lambda: data(kid="deadbeef"),
    "key is a path": lambda: data(kid="../../evil"),
    "key is an address": lambda: data(kid="x@evil.example/key"),
    "no key": lambda: data(kid=None),
    "another user, same signature": lambda: ".".join(
        [data().split(".")[0], padded(b'{"sub":"root","exp":9999999999}'), data().split(".")[2]]
    ),
    "cut": lambda: data()[:-40],
    "not three parts": lambda: "a.b",
    "no JSON": lambda: "YQ.YQ.YQ",
    "a list": lambda: f"{padded(b'[]')}.{padded(b'[]')}.YQ",
    "not ASCII": lambda: "é.é.é",
    "nested": lambda: f"{padded(b'[' * 6000)}.e30.YQ",
    "too long": lambda: "a" * 20_000,
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_load_balancer_is_not_believed_unless_all_is_right(keys: Keys, lie: str) -> None:
    """ASVS 5.0, 9.1.1 to 9.1.3, 9.2.1 and 9.2.3.

    Signature, algorithm, key source, time, and subject.
    """
    verdict = await alb(keys, client_id="portal").authenticate(said(LIES[lie]()))
    assert verdict.user is None
    assert verdict.problem is not None
    assert verdict.problem.status == 401
    assert not [url for url in keys.asked if "evil" in url]


async def test_only_a_trusted_peer_may_show_it(keys: Keys) -> None:
    """ASVS 5.0, 4.1.3."""
    verdict = await alb(keys).authenticate(said(data(), trusted=False))
    assert (verdict.user, verdict.problem, keys.asked) == (None, None, [])


async def test_the_plain_field_beside_it_is_not_read_and_goes_no_further(keys: Keys) -> None:
    proxy = alb(keys)
    assert (await proxy.authenticate(scope(("x-amzn-oidc-identity", "root"), trusted=True))).user is None
    assert set(proxy.strips()) == {b"x-amzn-oidc-data", b"x-amzn-oidc-accesstoken", b"x-amzn-oidc-identity"}
    assert proxy.strips_cookies() == (b"AWSELBAuthSessionCookie*",)


async def test_invented_key_names_do_not_cause_a_request_each(keys: Keys) -> None:
    proxy = alb(keys)
    for number in range(20):
        await proxy.authenticate(said(data(kid=f"invented-{number}")))
    assert len(keys.asked) == 1


async def test_a_rotated_key_is_found_after_a_while(keys: Keys) -> None:
    now = 0.0
    regional = RegionalKeys("https://public-keys.auth.elb.eu-west-1.amazonaws.com", keys.web, lambda: now)
    for name in ("invented", KEY_ID):
        with pytest.raises(Exception, match="its key is unknown"):
            await regional.get(name)
    now = 11.0
    assert (await regional.get(KEY_ID)).thumbprint() == KEY.thumbprint()


async def test_keys_that_cannot_be_had_are_503(keys: Keys) -> None:
    keys.down = True
    problem = (await alb(keys).authenticate(said(data()))).problem
    assert problem is not None
    assert problem.status == 503


async def test_a_websocket_outlives_a_statement_of_two_minutes(keys: Keys) -> None:
    proxy = alb(keys, socket_lifetime_s=900)
    plain = (await proxy.authenticate(said(data()))).user
    socket = (await proxy.authenticate({**said(data()), "type": "websocket"})).user
    assert plain is not None
    assert socket is not None
    assert (plain.expires_at, socket.expires_at) == (NOW + 150, NOW + 900)


@pytest.mark.parametrize(
    ("arn", "keys_url", "expected"),
    [
        (ARN, None, "https://public-keys.auth.elb.eu-west-1.amazonaws.com"),
        (
            ARN.replace("arn:aws", "arn:aws-us-gov").replace("eu-west-1", "us-gov-west-1"),
            None,
            "https://s3-us-gov-west-1.amazonaws.com/aws-elb-public-keys-prod-us-gov-west-1",
        ),
        (ARN.replace("arn:aws", "arn:aws-cn"), "https://keys.example/", "https://keys.example"),
    ],
)
def test_the_region_says_where_keys_are(arn: str, keys_url: str | None, expected: str) -> None:
    proxy = TrustedProxy.aws_alb(arn, keys_url=keys_url)
    assert proxy._headers.keys == expected  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: TrustedProxy.aws_alb("portal"),
        lambda: TrustedProxy.aws_alb(()),
        lambda: TrustedProxy.aws_alb(ARN.replace("arn:aws", "arn:aws-cn")),
        lambda: TrustedProxy.aws_alb((ARN, ARN.replace("eu-west-1", "eu-west-2"))),
        lambda: TrustedProxy.aws_alb(ARN, keys_url="http://keys.example"),
        lambda: TrustedProxy.cloudflare_access("team", ""),
        lambda: TrustedProxy.pomerium("app.example@evil.example"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_written(wrong: Callable[[], object]) -> None:
    with pytest.raises(AuthConfigError):
        wrong()


SIGNED: dict[str, tuple[Callable[..., TrustedProxy], tuple[str, ...], str, dict[str, Any], str]] = {
    "cloudflare": (
        TrustedProxy.cloudflare_access,
        ("acme", "tag"),
        "Cf-Access-Jwt-Assertion",
        {"iss": "https://acme.cloudflareaccess.com", "aud": ["tag"]},
        "https://acme.cloudflareaccess.com/cdn-cgi/access/certs",
    ),
    "pomerium": (
        TrustedProxy.pomerium,
        ("app.example.org",),
        "X-Pomerium-Jwt-Assertion",
        {"iss": "app.example.org", "aud": "app.example.org"},
        "https://app.example.org/.well-known/pomerium/jwks.json",
    ),
    "google": (
        TrustedProxy.google_iap,
        ("/projects/1/apps/portal",),
        "X-Goog-IAP-JWT-Assertion",
        {"iss": "https://cloud.google.com/iap", "aud": "/projects/1/apps/portal"},
        "https://www.gstatic.com/iap/verify/public_key-jwk",
    ),
}


def assertion(key: Key = KEY, **claims: Any) -> str:
    body = {"sub": "ada", "email": "ada@example.org", "iat": NOW, "exp": NOW + 60, **claims}
    return jwt.encode({"alg": "ES256", "kid": "one"}, body, key, algorithms=["ES256"])


@pytest.mark.parametrize("name", SIGNED)
async def test_a_proxy_that_signs_is_checked(keys: Keys, name: str) -> None:
    """ASVS 5.0, 9.1.1, 9.2.1 and 9.2.3."""
    make, arguments, header, claims, where = SIGNED[name]
    proxy = make(*arguments, web=keys.web, clock=lambda: NOW)
    good = await proxy.authenticate(scope((header, assertion(**claims)), trusted=True))
    assert good.user is not None
    assert (good.user.subject, good.user.scheme, keys.asked) == ("ada", "proxy", [where])
    lies = [
        assertion(**{**claims, "aud": "other"}),
        assertion(**{**claims, "iss": "https://evil.example"}),
        assertion(**{**claims, "exp": NOW - 60}),
        assertion(OTHER, **claims),
    ]
    for lie in lies:
        verdict = await proxy.authenticate(scope((header, lie), trusted=True))
        assert verdict.user is None
        assert verdict.problem is not None
    twice = ((header, assertion(**claims)),) * 2
    assert (await proxy.authenticate(scope(*twice, trusted=True))).user is None
    assert (await proxy.authenticate(scope((header, assertion(**claims))))).user is None
    assert header.lower().encode() in proxy.strips()
    assert proxy.strips_cookies()
    assert urlsplit(where).scheme == "https"


def principal(**changes: Any) -> str:
    claims = [
        {"typ": "roles", "val": "admin"},
        {"typ": "groups", "val": "staff"},
        {"typ": "preferred_username", "val": "ada@example.org"},
        {"typ": "ver"},
        "odd",
    ]
    document = {"auth_typ": "aad", "claims": claims, "name_typ": "name", "role_typ": "roles", **changes}
    return base64.b64encode(json.dumps(document).encode()).decode()


async def test_azure_names_the_user() -> None:
    proxy = TrustedProxy.azure_easy_auth()
    fields = [
        ("X-MS-CLIENT-PRINCIPAL-ID", "00000000-0000-0000-0000-000000000001"),
        ("X-MS-CLIENT-PRINCIPAL-NAME", "Ada"),
        ("X-MS-CLIENT-PRINCIPAL-IDP", "aad"),
    ]
    user = (await proxy.authenticate(scope(*fields, ("X-MS-CLIENT-PRINCIPAL", principal()), trusted=True))).user
    assert user is not None
    assert (user.issuer, user.name, user.email) == ("easy-auth:aad", "Ada", "ada@example.org")
    assert user.roles == {"admin", "staff"}
    assert (await proxy.authenticate(scope(*fields))).user is None
    bad = ("X-MS-CLIENT-PRINCIPAL", "%%%")
    assert (await proxy.authenticate(scope(*fields, bad, trusted=True))).problem
    assert (await proxy.authenticate(scope(*fields, fields[0], trusted=True))).problem
    for odd in (principal(claims=None), principal(claims={"a": 1}), principal(role_typ=7)):
        assert (await proxy.authenticate(scope(*fields, ("X-MS-CLIENT-PRINCIPAL", odd), trusted=True))).user
    assert {b"x-ms-client-principal", b"x-ms-token-aad-access-token"} <= set(proxy.strips())


@pytest.mark.parametrize("begin", ["X-Forwarded", "X-Auth-Request"])
async def test_oauth2_proxy_names_the_user(begin: str) -> None:
    proxy = TrustedProxy.oauth2_proxy(auth_request=begin != "X-Forwarded")
    fields = [(f"{begin}-User", "ada"), (f"{begin}-Groups", "admin,staff")]
    user = (await proxy.authenticate(scope(*fields, trusted=True))).user
    assert user is not None
    assert user.roles == {"admin", "staff"}
    assert (await proxy.authenticate(scope(*fields))).user is None
    assert f"{begin}-Access-Token".lower().encode() in proxy.strips()


def test_an_assertion_of_ones_own_is_checked_when_it_is_written() -> None:
    with pytest.raises(AuthConfigError):
        Assertion("X-Assertion", "issuer", "portal", "http://keys.example/jwks")


@pytest.mark.parametrize("number", [10**400, float("nan"), float("inf"), 1e15, True], ids=lambda n: str(n)[:9])
async def test_odd_dates_are_refused_and_never_a_fault(keys: Keys, number: Any) -> None:
    for token in (data(exp=number), data(claims={"exp": number})):
        proxy = TrustedProxy.aws_alb(ARN, web=keys.web, clock=lambda: NOW)
        verdict = await proxy.authenticate(scope(("x-amzn-oidc-data", token), trusted=True))
        assert verdict.problem is not None
        assert verdict.problem.status == 401
