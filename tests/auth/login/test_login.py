"""A login from the first click to the last logout, and what a hostile provider or browser can do to it."""

import asyncio
import logging
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.auth.browser import Browser, replica, there_and_back
from tests.auth.conftest import Clock
from tests.auth.hostile import EC_KEYS, GONE, RSA_KEYS, HostileProvider

pytestmark = pytest.mark.anyio


@pytest.fixture
def browser(hostile: HostileProvider, clock: Clock) -> Browser:
    return Browser(replica(hostile, clock))


async def test_a_login_ends_where_it_began_and_the_user_is_known(browser: Browser, hostile: HostileProvider) -> None:
    hostile.claims["groups"] = ["admin", "staff"]
    back = await browser.log_in(hostile, "/admin?tab=1")
    assert (back.status_code, back.headers["location"]) == (303, "/admin?tab=1")
    assert back.headers["cache-control"] == "no-store"
    user = (await browser.verdict()).user
    assert user is not None
    assert (user.subject, user.issuer, user.name) == ("ada", hostile.issuer, "Ada Lovelace")
    assert (user.email, user.roles, user.scheme) == ("ada@example.com", frozenset({"admin", "staff"}), "oidc")
    assert list(browser.cookies) == ["__Host-fluxlit-session"], "one cookie remains (ASVS 3.3)"


async def test_the_request_has_pkce_state_and_nonce(browser: Browser, hostile: HostileProvider) -> None:
    """ASVS 5.0, 10.2.1, 10.2.3 and 10.4.6; RFC 7636, RFC 9700 2.1.1."""
    await browser.log_in(hostile)
    [request] = hostile.requests
    assert request["response_type"] == "code"
    assert request["code_challenge_method"] == "S256"
    assert request["scope"] == "openid profile email"
    assert request["redirect_uri"] == "https://app.test/api/auth/callback"
    assert len(request["state"]) >= 43
    assert len(request["nonce"]) >= 43


async def test_cookies_are_as_strict_as_they_can_be(browser: Browser, hostile: HostileProvider) -> None:
    """ASVS 5.0, 3.3.1 to 3.3.5."""
    back = await browser.log_in(hostile)
    for cookie in back.headers.get_list("set-cookie"):
        name, *attributes = cookie.split("; ")
        assert name.startswith("__Host-fluxlit-")
        assert {"Path=/", "HttpOnly", "Secure", "SameSite=Lax"} <= set(attributes)
        assert len(cookie) < 4096


async def test_many_groups_do_not_make_the_cookie_larger(browser: Browser, hostile: HostileProvider) -> None:
    """ASVS 5.0, 3.3.5."""
    hostile.claims["groups"] = [f"group-{number:08}" for number in range(5000)]
    await browser.log_in(hostile)
    user = (await browser.verdict()).user
    assert user is not None
    assert len(user.roles) == 5000
    assert len(browser.session) < 100


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("iss", {"claims": {"iss": "https://evil.test"}}),
    ("iss missing", {"claims": {"iss": GONE}}),
    ("aud", {"claims": {"aud": "other"}}),
    ("aud missing", {"claims": {"aud": GONE}}),
    ("azp", {"claims": {"azp": "other"}}),
    ("sub missing", {"claims": {"sub": GONE}}),
    ("iat missing", {"claims": {"iat": GONE}}),
    ("exp", {"claims": {"exp": 1}}),
    ("nonce", {"claims": {"nonce": "other"}}),
    ("nonce missing", {"claims": {"nonce": GONE}}),
    ("at_hash", {"claims": {"at_hash": "AAAA"}}),
    ("c_hash", {"claims": {"c_hash": "AAAA"}}),
    ("none", {"header": {"alg": "none"}}),
    ("kid unknown", {"header": {"kid": "other"}}),
    ("signature", {"signing_key": RSA_KEYS[1], "header": {"kid": "one"}}),
    ("userinfo sub", {"userinfo": {"sub": "eve"}}),
    ("no id_token", {"tokens": {"id_token": GONE}}),
    ("RFC 9207 iss of another", {"callback": {"iss": "https://evil.test"}}),
    ("RFC 9207 iss missing", {"callback": {"iss": GONE}}),
    ("state", {"callback": {"state": "other"}}),
    ("state missing", {"callback": {"state": GONE}}),
    ("code missing", {"callback": {"code": GONE}}),
    ("code of another", {"callback": {"code": "injected"}}),
    ("error", {"callback": {"code": GONE, "error": "<script>"}}),
]


@pytest.mark.parametrize("lies", [lies for _, lies in REFUSED], ids=[name for name, _ in REFUSED])
async def test_lies_of_a_provider_log_nobody_in(browser: Browser, hostile: HostileProvider, lies: Any) -> None:
    """OpenID Connect Core 3.1.3.7, RFC 9207 (mix-up), ASVS 5.0, 10.2.2, 10.5.1, 10.5.2 and 10.5.4."""
    for name, value in lies.items():
        setattr(hostile, name, value)
    back = await browser.log_in(hostile)
    assert back.status_code == 400
    assert "script" not in back.text, "text of the other side is not repeated"
    assert (await browser.verdict()).user is None
    assert not any("session" in name for name in browser.cookies)


async def test_a_callback_for_another_browser_is_refused(browser: Browser, hostile: HostileProvider) -> None:
    """Login CSRF and code injection: RFC 6749 10.12, RFC 9700 4.5 and 4.7; ASVS 5.0, 10.1.2."""
    attacker = Browser(browser.oidc)
    planted = there_and_back(hostile, await attacker.begin())
    await browser.begin()  # the victim has a login of its own under way
    assert (await browser.get(planted)).status_code == 400
    assert (await browser.verdict()).user is None
    assert (await attacker.get(planted)).status_code == 303, "and it is not spoilt for whom it belongs to"


async def test_a_callback_works_once(browser: Browser, hostile: HostileProvider) -> None:
    """A replayed state: RFC 9700 4.7.1; ASVS 5.0, 10.1.2."""
    back = there_and_back(hostile, await browser.begin())
    cookies = dict(browser.cookies)
    assert (await browser.get(back)).status_code == 303
    thief = Browser(browser.oidc, cookies=cookies)
    assert (await thief.get(back)).status_code == 400


async def test_a_callback_comes_in_time(browser: Browser, hostile: HostileProvider, clock: Clock) -> None:
    back = there_and_back(hostile, await browser.begin())
    clock.pass_(601)
    assert (await browser.get(back)).status_code == 400


@pytest.mark.parametrize("name", ["state", "code", "iss", "error"])
async def test_a_parameter_that_comes_twice_is_refused(browser: Browser, hostile: HostileProvider, name: str) -> None:
    back = there_and_back(hostile, await browser.begin())
    assert (await browser.get(f"{back}&{name}=a&{name}=b")).status_code == 400


async def test_two_tabs_log_in_at_once(browser: Browser, hostile: HostileProvider) -> None:
    first, second = await browser.begin("/one"), await browser.begin("/two")
    assert (await browser.get(there_and_back(hostile, second))).headers["location"] == "/two"
    assert (await browser.get(there_and_back(hostile, first))).headers["location"] == "/one"
    assert (await browser.verdict()).user is not None


async def test_attempts_do_not_pile_up_in_the_browser(browser: Browser) -> None:
    for _ in range(12):
        await browser.begin()
    assert len(browser.cookies) == 5


async def test_a_login_never_adopts_a_session(browser: Browser, hostile: HostileProvider) -> None:
    """Session fixation: ASVS 7.2.4."""
    await browser.log_in(hostile)
    planted = browser.session
    victim = Browser(browser.oidc, cookies={"__Host-fluxlit-session": planted})
    hostile.subject = "victim"
    await victim.log_in(hostile)
    assert victim.session != planted
    attacker = Browser(browser.oidc, cookies={"__Host-fluxlit-session": planted})
    assert (await attacker.verdict()).user is None, "the old session is dead"


async def test_two_cookies_of_one_name_are_none(browser: Browser, hostile: HostileProvider) -> None:
    """Cookie tossing: one of them was planted."""
    await browser.log_in(hostile)
    scope = browser.scope("/")
    scope["headers"].append((b"cookie", b"__Host-fluxlit-session=planted"))
    assert (await browser.oidc.authenticate(scope)).user is None


async def test_a_development_cookie_is_not_taken_over_tls(browser: Browser, hostile: HostileProvider) -> None:
    await browser.log_in(hostile)
    tossed = Browser(browser.oidc, cookies={"fluxlit-dev-443-session": browser.session})
    assert (await tossed.verdict()).user is None


async def test_plain_http_is_for_this_machine(hostile: HostileProvider, clock: Clock) -> None:
    local = Browser(replica(hostile, clock, origin="http://localhost:8000"))
    assert (await local.log_in(hostile)).status_code == 303
    assert list(local.cookies) == ["fluxlit-dev-8000-session"]
    for origin in ("http://app.test", None):
        far = Browser(replica(hostile, clock, origin=origin))
        assert (await far.get("/api/auth/login")).status_code == 403


async def test_a_provider_that_is_down_gives_503_and_a_page(browser: Browser, hostile: HostileProvider) -> None:
    """ASVS 5.0, 16.5.2 and 16.5.3."""
    hostile.failing["openid-configuration"] = 500
    answer = await browser.get("/api/auth/login")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")


@pytest.mark.parametrize("endpoint", ["token", "jwks", "userinfo"])
async def test_a_provider_that_goes_down_on_the_way_gives_503(
    browser: Browser, hostile: HostileProvider, endpoint: str
) -> None:
    hostile.failing[endpoint] = 503
    assert (await browser.log_in(hostile)).status_code == 503


async def test_requests_are_pushed_where_the_provider_takes_them(browser: Browser, hostile: HostileProvider) -> None:
    """RFC 9126."""
    hostile.metadata["pushed_authorization_request_endpoint"] = f"{hostile.issuer}/par"
    location = await browser.begin()
    assert set(dict(parse_qsl(urlsplit(location).query))) == {"client_id", "request_uri"}
    assert (await browser.get(there_and_back(hostile, location))).status_code == 303


async def test_a_client_may_have_a_key_in_place_of_a_secret(
    hostile: HostileProvider, clock: Clock, tmp_path: Path
) -> None:
    """private_key_jwt: OpenID Connect Core 9, ASVS 10.4.16."""
    hostile.client_key = RSA_KEYS[1]
    (tmp_path / "key.pem").write_bytes(RSA_KEYS[1].as_pem(private=True))
    oidc = replica(hostile, clock, oidc_client_secret="", oidc_client_key_file=str(tmp_path / "key.pem"))
    assert (await Browser(oidc).log_in(hostile)).status_code == 303


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_a_secret_travels_as_the_provider_wants_it(
    browser: Browser, hostile: HostileProvider, method: str
) -> None:
    """oidcc-client-test-client-secret-basic and -post; OpenID Connect Core 9, ASVS 5.0, 10.4.10."""
    hostile.metadata["token_endpoint_auth_methods_supported"] = [method]
    assert (await browser.log_in(hostile)).status_code == 303
    [form] = [form for form in hostile.forms if form.get("grant_type") == "authorization_code"]
    assert ("client_secret" in form) == (method == "client_secret_post")


async def test_a_provider_that_takes_no_secret_is_told_apart(browser: Browser, hostile: HostileProvider) -> None:
    hostile.metadata["token_endpoint_auth_methods_supported"] = ["tls_client_auth"]
    assert (await browser.log_in(hostile)).status_code == 503
    assert hostile.forms == []


ALGORITHMS = [("RS256", RSA_KEYS[0]), ("PS256", RSA_KEYS[0]), ("ES256", EC_KEYS[0])]


@pytest.mark.parametrize(("alg", "key"), ALGORITHMS)
@pytest.mark.parametrize("kid", [True, False])
async def test_signatures_that_a_login_takes(
    browser: Browser, hostile: HostileProvider, alg: str, key: Any, kid: bool
) -> None:
    """oidcc-client-test-idtoken-sig-rs256 and -es256, oidcc-client-test-kid-absent-single-jwks."""
    hostile.alg, hostile.signing_key, hostile.published = alg, key, [key]
    if not kid:
        hostile.header["kid"] = GONE
    assert (await browser.log_in(hostile)).status_code == 303


async def test_an_algorithm_that_the_provider_does_not_name_is_refused(
    browser: Browser, hostile: HostileProvider
) -> None:
    """A good signature by a key that is published, but not by what the metadata promise."""
    hostile.alg, hostile.signing_key, hostile.published = "ES256", EC_KEYS[0], [EC_KEYS[0]]
    hostile.metadata["id_token_signing_alg_values_supported"] = ["RS256"]
    assert (await browser.log_in(hostile)).status_code == 400


async def test_a_session_ends_unused_and_in_any_case(browser: Browser, hostile: HostileProvider, clock: Clock) -> None:
    """ASVS 7.3.1 and 7.3.2."""
    hostile.expires_in = 10**6
    await browser.log_in(hostile)
    for _ in range(23):
        clock.pass_(3500)
        assert (await browser.verdict()).user is not None
    clock.pass_(3601)
    gone = await browser.verdict()
    assert gone.user is None
    assert gone.problem is None
    assert browser.cookies == {}


async def test_replicas_refresh_once_and_share_what_they_get(
    hostile: HostileProvider, clock: Clock, shared_store: str
) -> None:
    here, there = (Browser(replica(hostile, clock, session_store=shared_store)) for _ in range(2))
    await here.log_in(hostile)
    there.cookies = dict(here.cookies)
    clock.pass_(3550)
    found = await asyncio.gather(*(each.verdict() for each in (here, there) * 10))
    assert all(verdict.user is not None for verdict in found)
    assert [form["grant_type"] for form in hostile.forms].count("refresh_token") == 1
    clock.pass_(3550)
    assert (await there.verdict()).user is not None, "the token of the rotation was stored"
    await here.oidc.stop()
    await there.oidc.stop()


async def test_a_refused_refresh_ends_the_session(browser: Browser, hostile: HostileProvider, clock: Clock) -> None:
    """ASVS 5.0, 7.6.1."""
    await browser.log_in(hostile)
    clock.pass_(3599)
    hostile.failing["token"] = 400
    hostile._refresh.clear()
    assert (await browser.verdict()).user is None
    assert browser.cookies == {}


async def test_a_provider_that_is_down_keeps_a_good_token_alive_and_no_longer(
    browser: Browser, hostile: HostileProvider, clock: Clock
) -> None:
    await browser.log_in(hostile)
    clock.pass_(3570)
    hostile.failing["token"] = 503
    assert (await browser.verdict()).user is not None
    clock.pass_(31)
    problem = (await browser.verdict()).problem
    assert problem is not None
    assert problem.status == 503
    hostile.failing.clear()
    clock.pass_(31)
    assert (await browser.verdict()).user is not None


@pytest.mark.parametrize("lie", [{"sub": "eve"}, {"iss": "https://evil.test"}, {"aud": "other"}])
async def test_a_refresh_about_somebody_else_ends_the_session(
    browser: Browser, hostile: HostileProvider, clock: Clock, lie: dict[str, Any]
) -> None:
    """oidcc-client-test-refresh-token-invalid-sub and -invalid-issuer; OpenID Connect Core 12.2."""
    await browser.log_in(hostile)
    hostile.refreshed.update(lie)
    clock.pass_(3570)
    assert (await browser.verdict()).user is None


async def test_a_refresh_without_an_id_token_is_fine(browser: Browser, hostile: HostileProvider, clock: Clock) -> None:
    """OpenID Connect Core 12.2: it might not contain one."""
    await browser.log_in(hostile)
    hostile.refreshed["id_token"] = GONE
    clock.pass_(3570)
    user = (await browser.verdict()).user
    assert user is not None
    assert (user.subject, user.name) == ("ada", "Ada Lovelace")
    assert [form["grant_type"] for form in hostile.forms].count("refresh_token") == 1


async def test_a_logout_ends_it_here_and_at_the_provider(browser: Browser, hostile: HostileProvider) -> None:
    """OpenID Connect RP-Initiated Logout 2 and 3; ASVS 7.4.1."""
    await browser.log_in(hostile)
    stolen = Browser(browser.oidc, cookies=dict(browser.cookies))
    assert (await stolen.verdict()).user is not None
    answer = await browser.post("/api/auth/logout", sec_fetch_site="same-origin")
    query = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert answer.headers["location"].startswith(f"{hostile.issuer}/logout?")
    assert query["post_logout_redirect_uri"] == "https://app.test/api/auth/logged-out"
    assert query["id_token_hint"].count(".") == 2
    assert len(hostile.revoked) == 1
    assert (await stolen.verdict()).user is None
    assert (await browser.get("/api/auth/logged-out?state=other")).status_code == 400
    assert (await browser.get("/api/auth/logged-out")).status_code == 400
    farewell = await browser.get(f"/api/auth/logged-out?state={query['state']}")
    assert (farewell.status_code, farewell.headers["location"]) == (303, "/api/auth/logged-out")
    assert (await browser.get("/api/auth/logged-out")).status_code == 200
    again = await browser.get(f"/api/auth/logged-out?state={query['state']}")
    assert again.headers["location"] == "/api/auth/logged-out", "the way back leads here once more"
    assert browser.cookies == {}


async def test_an_answer_to_no_logout_signs_nobody_out(browser: Browser, hostile: HostileProvider) -> None:
    """oidcc-client-test-rp-init-logout-invalid-state."""
    await browser.log_in(hostile)
    assert (await browser.get("/api/auth/logged-out?state=planted")).status_code == 400
    assert (await browser.verdict()).user is not None


@pytest.mark.parametrize(
    "headers",
    [{"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"}, {"origin": "https://evil.test"}, {}],
)
async def test_another_site_cannot_sign_anybody_out(browser: Browser, hostile: HostileProvider, headers: Any) -> None:
    """ASVS 3.5.1 and 3.5.3."""
    await browser.log_in(hostile)
    assert (await browser.post("/api/auth/logout", **headers)).status_code == 403
    assert "<form" in (await browser.get("/api/auth/logout", **headers)).text
    assert (await browser.verdict()).user is not None


async def test_a_page_that_knows_the_handle_may_sign_out_by_a_link(browser: Browser, hostile: HostileProvider) -> None:
    await browser.log_in(hostile)
    told = (await browser.get("/api/auth/session")).json()
    assert (told["authenticated"], told["subject"]) == (True, "ada")
    assert (await browser.get(told["logout"])).status_code == 303
    assert (await browser.get("/api/auth/session")).json() == {"authenticated": False}


async def test_a_logout_of_the_provider_reaches_every_replica_within_a_second(
    hostile: HostileProvider, clock: Clock, shared_store: str
) -> None:
    """Back-Channel Logout 2; ASVS 5.0, 7.4.2 and 7.6.1."""
    here, there = (Browser(replica(hostile, clock, session_store=shared_store)) for _ in range(2))
    await here.log_in(hostile)
    user = (await here.verdict()).user
    assert user is not None
    heard = there.oidc.ended()
    waiting = asyncio.ensure_future(anext(heard))
    await asyncio.sleep(0.1)
    answer = await here.back_channel(hostile.logout_token())
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert await asyncio.wait_for(waiting, 1.0) == user.session
    await heard.aclose()  # type: ignore[attr-defined]
    clock.pass_(2)
    assert (await here.verdict()).user is None
    await here.oidc.stop()
    await there.oidc.stop()


async def test_nothing_that_is_secret_is_logged(
    browser: Browser, hostile: HostileProvider, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """ASVS 16.2.5."""
    caplog.set_level(logging.DEBUG, "fluxlit_auth")
    back = there_and_back(hostile, await browser.begin())
    await browser.get(back)
    session = browser.session
    clock.pass_(3570)
    await browser.verdict()
    await browser.post("/api/auth/logout", sec_fetch_site="same-origin")
    await browser.get(back)
    secrets = [*dict(parse_qsl(urlsplit(back).query)).values(), *session.split("."), *hostile._refresh]
    assert caplog.records
    assert [secret for secret in secrets if secret != hostile.issuer and secret in caplog.text] == []


async def test_a_dump_of_the_store_opens_nothing(hostile: HostileProvider, clock: Clock, tmp_path: Path) -> None:
    """The tickets of oauth2-proxy: id and secret are in the cookie alone; ASVS 13.3 and 14.2."""
    path = tmp_path / "s.db"
    browser = Browser(replica(hostile, clock, session_store=f"sqlite:///{path}"))
    await browser.begin()
    await browser.log_in(hostile)
    await browser.oidc.stop()
    dump = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    secrets = [*browser.session.split("."), *hostile._refresh, hostile.requests[0]["state"], "Ada Lovelace"]
    assert dump
    assert [secret for secret in secrets if secret.encode() in dump] == []


@pytest.mark.parametrize("mount", ["", "/apps/one"])
async def test_applications_of_one_host_do_not_share_a_login(
    hostile: HostileProvider, clock: Clock, mount: str
) -> None:
    browser = Browser(replica(hostile, clock), mount=mount)
    back = await browser.log_in(hostile, f"{mount}/page")
    assert back.headers["location"] == f"{mount}/page"
    assert hostile.requests[0]["redirect_uri"] == f"https://app.test{mount}/api/auth/callback"
    neighbour = Browser(browser.oidc, mount="/apps/two", cookies=browser.cookies)
    assert (await neighbour.verdict()).user is None


async def test_the_keys_may_rotate_while_somebody_is_at_the_provider(
    browser: Browser, hostile: HostileProvider
) -> None:
    """oidcc-client-test-signing-key-rotation-just-before-signing."""
    await browser.log_in(hostile)
    location = await browser.begin()
    hostile.signing_key, hostile.published = RSA_KEYS[1], [RSA_KEYS[1]]
    assert (await browser.get(there_and_back(hostile, location))).status_code == 303
