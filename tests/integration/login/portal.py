"""An application with a login, and what people do in front of it."""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey
from playwright.sync_api import Page, Request, expect

from fluxlit.testing import Server, run_server
from fluxlit_auth import hash_api_key
from tests.integration.login.certified import Certified
from tests.support.chromium import Visitor

API_KEY = "flx_only-for-these-tests"
TOKEN_SECRET = "a shared secret of more than 32 bytes, for tests"

APP = """
    import os

    from fluxlit import CurrentUser, FluxLit, OptionalUser, sign_in, sign_out
    from fluxlit_auth import OIDC, APIKey, APIKeys, JWTBearer, TokenIssuer

    robot = APIKey("robot", {hash!r})
    nightly = TokenIssuer("pipeline", audience="portal", secret={secret!r})
    app = FluxLit(
        title="Portal",
        auth=[OIDC.from_settings(), APIKeys([robot]), JWTBearer(nightly)],
        public_paths=("/api/docs", "/api/openapi.json"),
    )

    @app.api.get("/me")
    def me(user: CurrentUser):
        return user.subject

    @app.page("/", title="Welcome", public=not os.environ.get("CLOSED"))
    def welcome(st, user: OptionalUser):
        st.title("Welcome")
        st.text(f"Hello {{user.name if user else 'stranger'}}")
        sign_in()

    @app.page("/orders", title="Orders")
    def orders(st, client, user: CurrentUser):
        st.title("Orders")
        st.text(f"{{user.name}} <{{user.email}}> {{sorted(user.roles)}}")
        st.text(f"st.user {{st.user.sub}} {{st.user.is_logged_in}}")
        st.text(f"the API knows {{client.get('/me').json()}}")
        st.text(f"number {{st.query_params.get('number', '')}}")
        st.session_state.clicks = st.session_state.get("clicks", 0) + st.button("Count")
        st.text(f"clicks {{st.session_state.clicks}}")
        st.text(f"replica {{os.environ.get('REPLICA')}}")
        sign_out()

    @app.page("/vault", title="Vault", roles={{"admin"}})
    def vault(st):
        st.title("Vault")
"""


def write_portal(folder: Path) -> Path:
    """Put the application into a folder."""
    (folder / "app.py").write_text(dedent(APP).format(hash=hash_api_key(API_KEY), secret=TOKEN_SECRET))
    return folder


@contextlib.contextmanager
def run_portal(provider: Certified, folder: Path, *, closed: bool = False, **settings: Any) -> Iterator[Server]:
    """Serve the application, known to the provider under a name of its own.

    Args:
        provider: where users log in.
        folder: an empty one.
        closed: no page is public.
        settings: more settings.
    """
    client = f"portal-{secrets.token_hex(4)}"
    environment = {"CLOSED": "1"} if closed else {}
    known: dict[str, Any] = {**provider.settings(client), **settings}
    with run_server("app:app", write_portal(folder), environment=environment, **known) as server:
        provider.register(client, server.url)
        yield server


def log_in(page: Page, name: str) -> None:
    """Fill in the provider's form."""
    page.get_by_placeholder("Enter any login").fill(name)
    page.get_by_placeholder("and password").fill("correct horse battery staple")
    page.get_by_role("button", name="Sign-in").click()


def enter(visitor: Visitor, url: str, name: str) -> None:
    """Ask for a page, log in at the provider, and be there."""
    visitor.page.goto(url)
    log_in(visitor.page, name)
    expect(visitor.page).to_have_url(url)
    visitor.settle()


def token(subject: str) -> str:
    """A bearer token of the pipeline, as it would send it itself."""
    claims = {"iss": "pipeline", "aud": "portal", "sub": subject, "exp": int(time.time()) + 300}
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(TOKEN_SECRET))


def login_cookies(page: Page, url: str) -> list[dict[str, Any]]:
    """The cookies of a login at an application."""
    return [dict(each) for each in page.context.cookies(url) if each["name"].startswith("fluxlit-dev-")]


def expect_text(page: Page, *texts: str) -> None:
    """Wait until the page shows these texts."""
    for text in texts:
        expect(page.get_by_text(text, exact=True)).to_be_visible()


WATCH_SOCKETS = """
    window.closedSockets = [];
    window.WebSocket = class extends window.WebSocket {
        constructor(...parts) {
            super(...parts);
            this.addEventListener("close", event => window.closedSockets.push([event.code, Date.now() / 1000]));
        }
    };
"""
"""Notes in a page with which code, and when, each of its WebSockets was closed."""


def expect_closed(page: Page, since: Request | float) -> None:
    """The page's WebSocket was closed because of the login, and soon.

    Args:
        page: the page.
        since: a request that has been answered, or seconds since the epoch.
    """
    page.wait_for_function("window.closedSockets.length > 0")
    code, moment = page.evaluate("window.closedSockets[0]")
    assert code == 1008
    begin = since if isinstance(since, float) else since.timing["startTime"] / 1000
    assert moment - begin < 10, f"closed after {moment - begin:.2f} s"


def forgive_refused_probes(visitor: Visitor) -> None:
    """Forget that the front end was refused while no user was signed in.

    It asks again and again.
    """
    told = re.compile(r"\b401\b.*/_stcore/(health|host-config)")
    visitor.problems[:] = [problem for problem in visitor.problems if not told.search(problem)]


def expect_provider(page: Page, provider: Certified) -> None:
    """Wait until the browser is at the provider."""
    expect(page).to_have_url(re.compile(re.escape(provider.issuer)))


NewVisitor = Callable[[], Visitor]
