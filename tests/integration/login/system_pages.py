"""Every page of FluxLit's own, as it is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import anyio.from_thread
import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from fluxlit import FluxLit
from fluxlit._internal.responses import answer_unavailable, reply_text
from fluxlit._internal.system_page import PAGE
from fluxlit.auth.refusals import Refusal
from fluxlit.server.look import read_look
from fluxlit.server.runtime import Runtime
from fluxlit.server.serve import replace_login
from fluxlit.settings import Settings
from fluxlit_auth import APIKeys
from fluxlit_auth.login.pages import page, question

Answer = Callable[[Scope, Send], Awaitable[None]]

START = ("/", "Start page")


def system_pages(project: Path, settings: Settings) -> Mapping[str, str]:
    """Return the pages by name, in the look of a project."""
    with anyio.from_thread.start_blocking_portal() as portal:  # Playwright has an event loop in this thread
        return portal.call(_collect, project, settings)


async def _collect(project: Path, settings: Settings) -> dict[str, str]:
    look = read_look(settings, project)

    def short(answer: Answer) -> ASGIApp:
        async def app(scope: Scope, _: Receive, send: Send) -> None:
            await answer({**scope, PAGE: look, "headers": [*scope["headers"], (b"x-request-id", b"4f0c2a")]}, send)

        return app

    def whole(response: ASGIApp) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await response({**scope, PAGE: look}, receive, send)

        return app

    denied = Refusal(403, "Your account lacks the required role.", ways=(START,))
    needed = Refusal(401, "Sign in to see this page.", ways=(("/api/auth/login", "Sign in"),))
    apps = {
        "starting": short(answer_unavailable),
        "error": short(lambda scope, send: reply_text(scope, send, 502, "The application did not respond.")),
        "not-found": short(lambda scope, send: reply_text(scope, send, 404, "There is nothing at this address.")),
        "access-denied": short(denied.to_browser),
        "sign-in": short(needed.to_browser),
        "sign-in-failed": whole(page(400, "Sign-in failed", "The sign-in took too long.", link=START)),
        "signed-out": whole(page(200, "You are signed out", "You can close this window.", link=START)),
        "sign-out": whole(question("Sign out?", "Your session will end.", "/api/auth/logout", "Sign out")),
        "development-login": _development_login(settings),
    }
    return {name: await _text(app) for name, app in apps.items()}


def _development_login(settings: Settings) -> ASGIApp:
    app = FluxLit(auth=APIKeys([]), title=settings.title, streamlit_page_config=settings.streamlit_page_config)
    app.page("/admin", roles={"admin", "staff"})(lambda: None)
    replace_login(app, development=True)
    return Runtime(app, target="x:app").asgi


async def _text(app: ASGIApp) -> str:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/api/auth/login", headers={"accept": "text/html"})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text
