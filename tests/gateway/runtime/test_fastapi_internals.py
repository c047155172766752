"""Shortcuts through FastAPI's import: a new FastAPI that closes one fails here, and nothing behaves differently."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.processes import clean_environ

APP = """
import json, sys
if sys.argv[1] == "short":
    from fluxlit.fastapi_internals import import_fastapi
    import_fastapi()
from fastapi import Depends, FastAPI
from fastapi.security import OAuth2PasswordBearer
from fastapi.openapi.models import Contact, Operation
from pydantic import BaseModel
waits = not Operation.__pydantic_complete__

class Order(BaseModel):
    name: str
    price: float = 0

app = FastAPI()

@app.post("/orders", dependencies=[Depends(OAuth2PasswordBearer(tokenUrl="token"))])
def add(order: Order, copies: int = 1) -> list[Order]:
    return [order] * copies

asked = "pydantic.v1.main" in sys.modules
"""
TOLD = """
print(json.dumps({
    "waits": waits, "asked": asked, "openapi": app.openapi(), "own": Order.__pydantic_complete__,
    "contact": Contact(email="a@example.org").model_dump(mode="json"),
}))
"""
REFUSED = """
from pydantic import v1

class Old(v1.BaseModel):
    name: str

try:
    @app.get("/old")
    def old() -> Old: ...
except Exception as error:
    print(type(error).__name__)
"""


def run(way: str, program: str) -> str:
    command = [sys.executable, "-c", APP + program, way]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=clean_environ()).stdout


def test_models_of_openapi_wait_and_the_documentation_is_the_same() -> None:
    short, long = json.loads(run("short", TOLD)), json.loads(run("long", TOLD))
    assert (short.pop("waits"), short.pop("asked")) == (True, False)
    assert (long.pop("waits"), long.pop("asked")) == (False, True)
    assert short == long


@pytest.mark.parametrize("way", ["short", "long"])
def test_models_of_pydantic_1_are_refused_as_ever(way: str) -> None:
    assert "PydanticV1NotSupportedError" in run(way, REFUSED)
