"""Errors of the API name the call, the cause and the request id."""

from __future__ import annotations

import json

import httpx
import pytest

from fluxlit._internal.tracebacks import FAULT_HEADER
from fluxlit.client import ApiClient, ApiError


def client(status: int, text: str = "Internal Server Error", **headers: str) -> ApiClient:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    transport = httpx.MockTransport(lambda _: httpx.Response(status, text=text, headers=named))
    return ApiClient("http://localhost/portal/api", transport=transport)


FAULT = {FAULT_HEADER.replace("-", "_"): "RuntimeError%3A%20boom%20%28app.py%3A8%29"}


def test_development_names_the_cause() -> None:
    response = client(500, **FAULT).get("/orders")
    message = r"^GET /orders answered 500: RuntimeError: boom \(app\.py:8\)$"
    with pytest.raises(httpx.HTTPStatusError, match=message) as caught:
        response.raise_for_status()
    assert caught.value.response is response
    with pytest.raises(httpx.HTTPStatusError, match=message):
        response.json()
    with pytest.raises(ApiError, match=message.rstrip("$")):
        client(500, **FAULT).get_model("/orders", dict)


def test_production_names_the_request() -> None:
    response = client(503, x_request_id="abc123").post("/orders", json={})
    with pytest.raises(httpx.HTTPStatusError, match=r"^POST /orders answered 503 .* \(request id abc123\)$"):
        response.raise_for_status()


def test_what_is_right_stays_as_it_is() -> None:
    assert client(200, "[1]").get("/orders").raise_for_status().json() == [1]
    assert client(422, '{"detail": "x"}').get("/orders").json() == {"detail": "x"}
    with pytest.raises(json.JSONDecodeError):
        client(200, "no json").get("/orders").json()
    with pytest.raises(httpx.HTTPStatusError, match="Redirect"):
        client(302, location="https://elsewhere.example/").get("/orders").raise_for_status()


def test_a_stream_is_still_a_stream() -> None:
    with client(200, "one two").stream("GET", "/orders") as response:
        assert "".join(response.iter_text()) == "one two"
