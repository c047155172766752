"""What an application finds of the uvicorn server that runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys, uvicorn, weakref
from fluxlit.server.uvicorn_above import set_up_uvicorn, uvicorn_above
from fluxlit.settings import Settings
from fluxlit.urls import PublicAddress

class Odd:
    @property
    def __class__(self):
        raise LookupError("what libraries leave behind need not say what it is")

left_behind = [Odd(), weakref.proxy(Odd())]  # and the second is gone

async def app(scope, receive, send):
    address = PublicAddress(Settings(uvicorn_graceful_shutdown_timeout_s=0.5))
    set_up_uvicorn(address.settings, address)
    print(address.base, uvicorn_above().config.timeout_graceful_shutdown)
    await send({{"type": "lifespan.startup.failed", "message": ""}})

assert uvicorn_above() is None
uvicorn.run(app, log_level="critical", {options})
"""


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("port=4711", "http://127.0.0.1:4711 0.5"),
        ('host="0.0.0.0", port=4711, timeout_graceful_shutdown=3', "http://127.0.0.1:4711 3"),
        ('host="::1", port=4711', "http://[::1]:4711 0.5"),
        ('uds="app.sock"', "http://127.0.0.1:8000 0.5"),
        ("port=0", "http://127.0.0.1:8000 0.5"),
    ],
)
def test_its_graceful_timeout_is_set_and_its_address_is_known(options: str, found: str, tmp_path: Path) -> None:
    program = PROGRAM.format(options=options)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == found, done.stderr
