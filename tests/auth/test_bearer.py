"""Bearer tokens: which are accepted, and how the others are refused."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from joserfc.jwk import ECKey, OctKey, RSAKey

from fluxlit_auth import AuthConfigError, JWTBearer, TokenIssuer, User
from tests.auth.issuing import ISSUER, JWKS, SECRET, Issuing, bearer, scope

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def one_issuer() -> Issuing:
    return Issuing()


@pytest.fixture
def issuing(one_issuer: Issuing) -> Issuing:
    one_issuer.published, one_issuer.fetches, one_issuer.down = [one_issuer.key], 0, False
    return one_issuer


def guard(issuing: Issuing, **options: Any) -> JWTBearer:
    known = TokenIssuer(ISSUER, ("orders", "stock"), jwks_url=JWKS)
    return JWTBearer(known, web=issuing.web, **options)


async def test_a_good_token_names_its_user(issuing: Issuing) -> None:
    """ASVS 5.0, 10.3.3."""
    issued = issuing.token(name="Ada", email="ada@example.org", roles=["admin"], aud=["other", "stock"])
    user = (await guard(issuing).authenticate(bearer(issued))).user
    assert user is not None
    assert (user.subject, user.issuer, user.name, user.email) == ("ada", ISSUER, "Ada", "ada@example.org")
    assert (user.roles, user.session, user.scheme) == (frozenset({"admin"}), None, "bearer")
    assert user.expires_at is not None


@pytest.mark.parametrize("fields", [[], [("Authorization", "Basic YTpi")], [("Cookie", "token=x")]])
async def test_other_credentials_are_left_to_others(issuing: Issuing, fields: list[tuple[str, str]]) -> None:
    verdict = await guard(issuing).authenticate(scope(*fields))
    assert (verdict.user, verdict.problem) == (None, None)


def changed(**claims: Any) -> dict[str, Any]:
    return {"claims": claims}


NOW = int(time.time())
BAD = {
    "expired": changed(exp=NOW - 3600),
    "no end": changed(exp=None),
    "end is text": changed(exp="soon"),
    "not yet": changed(nbf=NOW + 3600),
    "issued in the future": changed(iat=NOW + 3600),
    "audience": changed(aud="elsewhere"),
    "no audience": changed(aud=None),
    "odd audience": changed(aud=[{"x": 1}]),
    "issuer": changed(iss="https://other.example"),
    "issuer with slash": changed(iss=ISSUER + "/"),
    "no issuer": changed(iss=None),
    "no subject": changed(sub=None),
    "logout token": {"header": {"typ": "logout+jwt"}},
}


@pytest.mark.parametrize("case", BAD)
async def test_a_token_that_says_something_else_is_refused(issuing: Issuing, case: str) -> None:
    """RFC 9068 4, RFC 8725 3; ASVS 5.0, 9.2.1 to 9.2.3 and 10.3.1."""
    verdict = await guard(issuing).authenticate(
        bearer(issuing.token(header=BAD[case].get("header"), **BAD[case].get("claims", {})))
    )
    assert verdict.problem is not None
    assert verdict.problem.status == 401
    assert 'error="invalid_token"' in verdict.problem.challenge


def unsigned(**claims: Any) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    body = {"iss": ISSUER, "aud": "orders", "sub": "ada", "exp": NOW + 600, **claims}
    return f"{part({'alg': 'none'})}.{part(body)}."


@pytest.mark.parametrize(
    "text", ["", "x", "a.b.c", "....", unsigned(), "e30.e30.e30", "é", "a" * 20_000, "[" * 9000 + ".x.y"]
)
async def test_what_is_no_token_is_refused_and_never_a_fault(issuing: Issuing, text: str) -> None:
    verdict = await guard(issuing).authenticate(bearer(text))
    assert verdict.problem is not None
    assert verdict.problem.status == 401


async def test_a_public_key_is_no_secret(issuing: Issuing) -> None:
    """Algorithm confusion: RFC 8725 2.1; ASVS 5.0, 9.1.2."""
    pem = issuing.key.as_pem(private=False) if isinstance(issuing.key, RSAKey) else b""
    forged = issuing.token(key=OctKey.import_key(base64.b64encode(pem)), header={"kid": "one"})
    verdict = await guard(issuing).authenticate(bearer(forged))
    assert verdict.problem is not None
    assert verdict.problem.status == 401


async def test_anothers_key_of_the_same_name_is_refused(issuing: Issuing) -> None:
    forged = issuing.token(key=RSAKey.generate_key(2048, {"kid": "one"}))
    assert (await guard(issuing).authenticate(bearer(forged))).user is None


async def test_a_rotated_key_is_fetched_once_and_invented_names_do_not_ask_again(issuing: Issuing) -> None:
    asked = guard(issuing)
    assert (await asked.authenticate(bearer(issuing.token()))).user
    fresh = ECKey.generate_key("P-256", {"kid": "two"})
    issuing.published = [issuing.key, fresh]
    assert (await asked.authenticate(bearer(issuing.token(key=fresh)))).user
    assert issuing.fetches == 2
    for number in range(20):
        await asked.authenticate(bearer(issuing.token(header={"kid": f"invented-{number}"})))
    assert issuing.fetches == 2


async def test_keys_that_cannot_be_had_are_503(issuing: Issuing) -> None:
    issuing.down = True
    verdict = await guard(issuing).authenticate(bearer(issuing.token()))
    assert verdict.problem is not None
    assert (verdict.problem.status, verdict.problem.challenge) == (503, "")


async def test_two_authorization_fields_are_refused(issuing: Issuing) -> None:
    field = ("Authorization", f"Bearer {issuing.token()}")
    verdict = await guard(issuing).authenticate(scope(field, field))
    assert verdict.problem is not None
    assert verdict.problem.status == 401


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"scope": "orders:read orders:write", "realm_access": {"roles": ["boss"]}}, None),
        ({"scp": ["orders:read"], "realm_access": {"roles": ["boss"]}}, None),
        ({"scope": "orders:reader", "realm_access": {"roles": ["boss"]}}, 403),
        ({"scope": "orders:read", "realm_access": {"roles": ["clerk"]}}, 403),
        ({"scope": "orders:read", "realm_access": "boss"}, 403),
        ({"realm_access": {"roles": ["boss"]}}, 403),
    ],
)
async def test_scopes_and_roles(issuing: Issuing, claims: dict[str, Any], status: int | None) -> None:
    """RFC 6750 3.1; ASVS 5.0, 10.3.2."""
    asked = guard(issuing, roles_claim="realm_access.roles").requires(scopes={"orders:read"}, roles={"boss", "owner"})
    verdict = await asked.authenticate(bearer(issuing.token(**claims)))
    assert (verdict.problem.status if verdict.problem else None) == status
    if verdict.problem:
        assert 'error="insufficient_scope"' in verdict.problem.challenge


async def test_several_issuers_each_with_its_own_keys(issuing: Issuing) -> None:
    other = TokenIssuer("ci", "orders", secret=SECRET)
    both = JWTBearer(TokenIssuer(ISSUER, "orders", jwks_url=JWKS), other, web=issuing.web)
    shared = OctKey.import_key(SECRET)
    assert (await both.authenticate(bearer(issuing.token(key=shared, iss="ci")))).user
    assert (await both.authenticate(bearer(issuing.token()))).user
    assert (await both.authenticate(bearer(issuing.token(key=shared, header={"kid": "one"})))).user is None
    assert (await both.authenticate(bearer(issuing.token(iss="ci")))).user is None


def test_what_cannot_work_is_refused_when_it_is_written() -> None:
    good = TokenIssuer(ISSUER, "orders", secret=SECRET)
    for wrong in (
        JWTBearer,
        lambda: JWTBearer(good, good),
        lambda: JWTBearer(good, leeway=-1),
        lambda: JWTBearer(good, realm='a"b'),
        lambda: TokenIssuer(ISSUER, "orders", secret="short"),
        lambda: TokenIssuer(ISSUER, "orders", secret=SECRET, jwks_url=JWKS),
        lambda: TokenIssuer(ISSUER, "orders", algorithms=("HS256",)),
        lambda: TokenIssuer(ISSUER, "orders", algorithms=("none",)),
        lambda: TokenIssuer(ISSUER, ()),
        lambda: JWTBearer(TokenIssuer(ISSUER, "orders", jwks_url="http://issuer.example/jwks")),
    ):
        with pytest.raises(AuthConfigError):
            wrong()


async def test_as_a_dependency_of_plain_fastapi(issuing: Issuing) -> None:
    api = FastAPI()
    known = guard(issuing)

    @api.get("/me")
    def me(user: User = Depends(known)) -> str:  # noqa: B008, FAST002  # a local name cannot stand in an annotation
        return user.subject

    @api.get("/orders", dependencies=[Depends(known.requires(scopes={"orders:read"}))])
    def orders() -> str:
        return "all"

    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://api") as client:
        good = {"Authorization": f"Bearer {issuing.token()}"}
        assert (await client.get("/me", headers=good)).json() == "ada"
        anonymous = await client.get("/me")
        assert (anonymous.status_code, anonymous.headers["www-authenticate"]) == (401, 'Bearer realm="api"')
        lacking = await client.get("/orders", headers=good)
        assert lacking.status_code == 403
        assert 'scope="orders:read"' in lacking.headers["www-authenticate"]
        document = (await client.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"]["JWTBearer"]["scheme"] == "bearer"
    assert document["paths"]["/me"]["get"]["security"] == [{"JWTBearer": []}]


ODD_NUMBERS = [10**400, -(10**400), 1e15, float("nan"), float("inf"), "1e400"]


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("number", ODD_NUMBERS, ids=lambda number: str(number)[:9])
async def test_odd_numbers_in_a_token_are_401(issuing: Issuing, claim: str, number: Any) -> None:
    """An issuer may sign nonsense; `authenticate` never raises."""
    verdict = await guard(issuing).authenticate(bearer(issuing.token(**{claim: number})))
    assert verdict.user is None
    assert verdict.problem is not None
    assert verdict.problem.status == 401


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
async def test_claims_that_are_no_json_are_401(issuing: Issuing, number: float) -> None:
    verdict = await guard(issuing).authenticate(bearer(issuing.token(other={"deep": [number]})))
    assert verdict.problem is not None
    assert verdict.problem.status == 401
