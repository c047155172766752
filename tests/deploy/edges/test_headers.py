"""No edge passes on headers with which a client forges who it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from fluxlit_deploy.edges.headers import NAMES, OTHERS, PREFIXES, ROUTE, ROUTE_FILTER
from fluxlit_deploy.options import EDGES, Edge
from tests.deploy.edges.test_affinity import command
from tests.deploy.edges.test_edges import files_of
from tests.support.ports import free_port
from tests.support.processes import background, clean_environ

ECHO = """
import http.server, json, sys

class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self.headers.items()).encode())

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Echo)
print("ready", flush=True)
server.serve_forever()
"""
FORGED = "forged.example"
# What no list has, and a pattern must find.
UNLISTED = ("X-Authentik-Meta-App", "Remote-Role", "Tailscale-Headers-Info", "X-Amzn-Oidc-New", "X-Auth-Request-New")


@contextmanager
def running(engine: Edge, folder: Path) -> Iterator[str]:
    """An edge before a server that responds with the request headers."""
    upstream, port = free_port(), free_port()
    for name, text in files_of(engine, None, {"port": port, "upstreams": [f"127.0.0.1:{upstream}"]}).items():
        (folder / name).write_text(text)
    environ = clean_environ(HOME=str(folder), XDG_DATA_HOME=str(folder), XDG_CONFIG_HOME=str(folder))
    with (
        background([sys.executable, "-c", ECHO, str(upstream)], cwd=folder, environ=environ) as echo,
        background(command(engine, folder), cwd=folder, environ=environ) as edge,
    ):
        echo.wait_for("ready", 20)
        yield f"http://127.0.0.1:{port}/"
        edge.process.terminate()
        edge.process.wait(20)


def passed_on(url: str, names: list[str]) -> dict[str, str]:
    """The headers that arrive, of a request with these forged headers."""
    deadline = time.monotonic() + 20
    with httpx.Client(trust_env=False, timeout=60) as client:
        while True:
            with suppress(httpx.TransportError):
                response = client.get(url, headers=dict.fromkeys(names, FORGED))
                if response.status_code == 200:
                    return {name.lower(): value for name, value in response.json()}
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize("engine", EDGES)
def test_what_names_a_user_is_removed(engine: Edge, tmp_path: Path) -> None:
    names = [*NAMES, *ROUTE, *(name.upper() for name in NAMES)]
    if engine in {"caddy", "haproxy"}:
        names += UNLISTED
    if engine != "traefik":  # FluxLit itself removes these
        names += [name.replace("-", "_") for name in NAMES]

    with running(engine, tmp_path) as url:
        for few in batched(names, 50):
            found = passed_on(url, ["Accept-Language", *few])

            assert found.pop("accept-language") == FORGED
            assert [name for name, value in found.items() if FORGED in value] == []


def batched(names: list[str], count: int) -> Iterator[list[str]]:
    """HAProxy takes a hundred headers."""
    return (names[start : start + count] for start in range(0, len(names), count))


def test_each_prefix_stands_for_a_name() -> None:
    assert [prefix for prefix in PREFIXES if not any(name.startswith(prefix) for name in NAMES)] == []
    assert OTHERS
    assert len(ROUTE_FILTER) == 16, "the Gateway API takes no more"
    assert set(ROUTE_FILTER) <= {*NAMES, *ROUTE}
