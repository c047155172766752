"""How a login describes itself.

To callers who are refused, in the OpenAPI document, and to tools.
"""

from __future__ import annotations

from typing import Any

import pytest

from fluxlit import FluxLit, User
from fluxlit.server.authentication import secure_openapi
from fluxlit.server.runtime import Runtime
from fluxlit.settings import Settings
from fluxlit.testing import api_client
from fluxlit_auth import OIDC, APIKey, APIKeys, hash_api_key
from tests.auth.browser import context

CLIENT: dict[str, Any] = {"client_id": "portal", "client_secret": "a secret of the client that is long enough"}


def bound(**settings: Any) -> OIDC:
    oidc = OIDC(issuer="https://login.example", **CLIENT)
    oidc.bind(context(Settings(**settings)))
    return oidc


def portal() -> FluxLit:
    keys = APIKeys([APIKey("ci", hash_api_key("key"))])
    app = FluxLit(auth=[OIDC(issuer="https://login.example", **CLIENT), keys], public_paths=("/api/ping",))

    @app.api.get("/me")
    def me() -> str:
        return "me"

    @app.api.get("/ping")
    def ping() -> str:
        return "pong"

    return app


def test_a_401_says_how_to_get_in() -> None:
    """RFC 9110 15.5.2.

    A 401 carries a challenge; and not one for which a browser opens a window of its own.
    """
    with api_client(portal()) as client:
        answer = client.get("/me")
    assert answer.status_code == 401
    challenges = answer.headers.get_list("www-authenticate")
    assert challenges == ['Cookie realm="login", login="/api/auth/login"', 'ApiKey header="X-API-Key"']
    assert not [each for each in challenges if each.lower().startswith(("basic", "digest", "negotiate", "bearer"))]


@pytest.mark.parametrize(
    ("settings", "login", "cookie"),
    [
        ({}, "/api/auth/login", "__Host-fluxlit-session"),
        ({"public_base_url": "https://app.example"}, "/api/auth/login", "__Host-fluxlit-session"),
        ({"public_base_url": "http://localhost:8123"}, "/api/auth/login", "fluxlit-dev-8123-session"),
        (
            {"root_path": "/apps/x", "public_base_url": "https://app.example/apps/x"},
            "/apps/x/api/auth/login",
            "__Host-fluxlit-2c5fdd2a-session",
        ),
    ],
)
def test_the_cookie_and_the_login_have_their_public_names(settings: dict[str, Any], login: str, cookie: str) -> None:
    oidc = bound(**settings)
    [scheme] = oidc.security_schemes().values()
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "cookie", cookie)
    assert f'login="{login}"' in oidc.challenge()
    assert login in scheme["description"]


def test_the_openapi_document_shows_every_way_in() -> None:
    app = portal()
    Runtime(app)
    document = app.api.openapi()
    assert set(document["components"]["securitySchemes"]) == {"OIDC", "APIKey"}
    assert document["security"] == [{"OIDC": []}, {"APIKey": []}]
    assert document["paths"]["/ping"]["get"]["security"] == []
    assert "security" not in document["paths"]["/me"]["get"]


def test_an_api_that_is_reloaded_is_described_by_the_login_that_serves() -> None:
    fresh, serving = portal(), bound()
    secure_openapi(fresh.api, [serving], Settings())
    assert "OIDC" in fresh.api.openapi()["components"]["securitySchemes"]


def test_the_issuer_is_known_once_the_settings_are() -> None:
    assert OIDC(issuer="https://login.example", **CLIENT).issuer is None
    assert bound().issuer == "https://login.example"
    github = OIDC(preset="github", **CLIENT)
    github.bind(context(Settings()))
    assert github.issuer is None, "it publishes no metadata"


def test_the_description_gives_no_secret_away() -> None:
    oidc = bound()
    assert CLIENT["client_secret"] not in f"{oidc.challenge()} {oidc.security_schemes()}"
    with api_client(portal(), user=User("ada", "x")) as client:
        assert client.get("/me").json() == "me"
