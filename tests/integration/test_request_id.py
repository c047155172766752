"""One name for a request in every log and every process.

And nothing in them that has to stay private.
"""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any, Literal

import httpx
import pytest

from fluxlit.testing import run_server
from tests.support.ports import free_port
from tests.support.session import Session

pytestmark = pytest.mark.anyio

APP = """
    import logging
    from fastapi import Request
    from fluxlit import FluxLit

    log = logging.getLogger("shop")
    app = FluxLit(title="Shop")

    @app.api.get("/order")
    async def order(request: Request) -> str:
        log.info("ordered")
        return request.headers["x-request-id"]

    @app.api.get("/stock")
    def stock(request: Request) -> str:  # in a thread
        log.info("counted")
        return request.headers["x-request-id"]

    @app.api.get("/fails")
    async def fails() -> str:
        raise RuntimeError("out of stock")

    @app.page("/")
    def home(st, client):
        log.info("shown")
        st.text(st.context.headers["X-Request-ID"])
        st.text(client.get("/stock").json())
"""

SECRETS = {"Cookie": "session=s3cr3t", "Authorization": "Bearer s3cr3t-token-1"}


@pytest.mark.parametrize("command", ["run", "uvicorn"])
async def test_every_line_about_a_request_has_its_id_in_every_process(
    command: Literal["run", "uvicorn"], tmp_path: Path
) -> None:
    """In JSON, under both ways to start.

    Without cookies, credentials and queries.
    """
    (tmp_path / "app.py").write_text(dedent(APP))
    admin = free_port()
    wanted: dict[str, Any] = {"log_format": "json", "enable_gateway_access_log": True}
    if command == "run":
        wanted["admin_port"] = admin
    with run_server("app:app", tmp_path, command=command, **wanted) as server:
        async with httpx.AsyncClient(base_url=server.api_url, headers=SECRETS, trust_env=False, timeout=60) as client:
            assert (await client.get("/order?x=s3cr3t", headers={"X-Request-ID": "order-1"})).json() == "order-1"
            failed = await client.get("/fails?x=s3cr3t", headers={"X-Request-ID": "fails-1"})
            assert (failed.status_code, failed.headers["x-request-id"]) == (500, "fails-1")
        async with Session(server.url, headers={**SECRETS, "X-Request-ID": "page-1"}) as tab:
            assert await tab.run() == ["page-1", "page-1"], "the page, and the API that it calls"
        if command == "run":
            async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
                metrics = (await client.get(f"http://127.0.0.1:{admin}/metrics")).text
            assert 'fluxlit_http_requests_total{route="api",code="200"} 2' in metrics, "one of a client, one of a page"
        server.stop()
        log = server.log()

    assert "s3cr3t" not in log
    if command == "run":
        assert [line for line in log.splitlines() if not line.startswith("{")] == []
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    told = {line["message"].strip(): line.get("request_id") for line in lines}
    assert told["ordered"] == "order-1"
    assert told["Exception in ASGI application"] == "fails-1"
    assert (told["shown"], told["counted"]) == ("page-1", "page-1")
    assert told["GET /api/order 200"] == "order-1"
    assert told["GET /api/stock 200"] == "page-1", "a call of a page"
    assert told["WEBSOCKET /_stcore/stream 101"] == "page-1"
    assert {"RuntimeError: out of stock"} <= set("\n".join(line.get("exception", "") for line in lines).splitlines())
