"""The addresses of the application, as its API and its pages see them.

Behind nothing and behind an edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import dedent
from typing import Any

import httpx
import pytest

from fluxlit import FluxLit, PublicUrls, Urls
from fluxlit.testing import Server, page_test, run_server
from tests.support.session import Session

pytestmark = pytest.mark.anyio

EDGE = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "portal.example", "X-Forwarded-Prefix": "/apps"}


def application(**settings: Any) -> FluxLit:
    app = FluxLit(**settings)

    @app.api.get("/urls")
    def api_urls(urls: PublicUrls) -> dict[str, str | None]:
        return {"app": urls.app, "api": urls.api, "docs": urls.docs, "page": urls.page("/two words", q="a b&c")}

    @app.page("/")
    def home(st: Any, urls: Urls, again: PublicUrls) -> None:
        assert urls == again
        st.text(f"{urls.app} {urls.health} {urls.ready} {urls.docs}")

    return app


async def asked(app: FluxLit, **headers: str) -> dict[str, str]:
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 5))
    async with httpx.AsyncClient(transport=transport, base_url="http://site.example:8000") as client:
        path = f"{app.setting_arguments.get('root_path', '')}{app.setting_arguments.get('api_mount_path', '/api')}/urls"
        answer = await client.get(path, headers=headers)
        return dict(answer.json())


async def test_the_request_tells() -> None:
    assert await asked(application()) == {
        "app": "http://site.example:8000/",
        "api": "http://site.example:8000/api",
        "docs": "http://site.example:8000/api/docs",
        "page": "http://site.example:8000/two%20words?q=a+b%26c",
    }


async def test_a_mount_and_another_prefix_of_the_api_are_in_them() -> None:
    urls = await asked(application(root_path="/apps/shop", api_mount_path="/v1"))
    assert (urls["app"], urls["api"]) == (
        "http://site.example:8000/apps/shop/",
        "http://site.example:8000/apps/shop/v1",
    )


async def test_an_edge_is_believed_only_where_it_is_trusted() -> None:
    assert (await asked(application(trust_proxy=True), **EDGE))["app"] == "https://portal.example/apps/"
    assert (await asked(application(), **EDGE))["app"] == "http://site.example:8000/"


async def test_what_is_set_is_true_for_everybody() -> None:
    app = application(public_base_url="https://portal.example")
    assert (await asked(app))["docs"] == "https://portal.example/api/docs"


async def test_an_api_without_documentation_has_no_address_for_it() -> None:
    assert (await asked(application(fastapi_kwargs={"docs_url": None})))["docs"] is None


def test_a_page_knows_them_from_the_gateways_fields() -> None:
    page = page_test(application(), headers=EDGE).run()
    assert page.text[0].value == (
        "https://portal.example/apps/ https://portal.example/apps/api/healthz "
        "https://portal.example/apps/api/readyz https://portal.example/apps/api/docs"
    )


def test_a_page_that_no_request_has_opened_guesses_the_listener() -> None:
    page = page_test(application(gateway_port=9000, gateway_host="::1"), headers={}).run()
    assert page.text[0].value.startswith("http://[::1]:9000/ ")


def test_a_page_without_its_slash_is_a_mistake() -> None:
    with pytest.raises(ValueError, match='begins with a slash: "/orders"'):
        Urls("https://portal.example").page("orders")


APP = """
    from fluxlit import FluxLit, PublicUrls

    app = FluxLit()

    @app.api.get("/urls")
    def api_urls(urls: PublicUrls) -> str:
        return urls.page("/orders")

    @app.page("/")
    def home(st, client, urls: PublicUrls):
        st.text(urls.app)
        st.text(client.get("/urls").json())
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("urls")
    (directory / "app.py").write_text(dedent(APP))
    with run_server("app:app", directory, command="run") as server:
        yield server


async def test_a_page_and_the_api_that_it_calls_give_addresses_that_answer(server: Server) -> None:
    async with Session(server.url) as tab:
        shown, called = await tab.run()
    assert shown == f"{server.url}/"
    assert called == f"{server.url}/orders"
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        assert (await client.get(shown)).status_code == 200
        assert (await client.get(f"{server.api_url}/urls")).json() == called
