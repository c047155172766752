"""A browser stays with its replica, until that is gone."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from fluxlit_deploy.options import EDGES, Edge
from tests.deploy.edges.test_edges import files_of
from tests.integration.edges.engines import NGINX_CONF, program
from tests.support.ports import free_port
from tests.support.processes import Server, background, clean_environ

REPLICA = """
import http.server, sys

class Replica(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = sys.argv[1].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Replica)
print("ready", flush=True)
server.serve_forever()
"""


def command(engine: Edge, folder: Path) -> list[str]:
    if engine == "nginx":
        text = NGINX_CONF.format(root=folder, user="user root;" if os.geteuid() == 0 else "")
        (folder / "nginx.conf").write_text(text.replace("conf.d/*.conf", "site.conf"))
        return [program("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    return {
        "caddy": [program("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"],
        "traefik": [program("traefik"), "--configFile=traefik.yml"],
        "haproxy": [program("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")],
    }[engine]


@pytest.fixture(params=EDGES)
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, dict[str, Server]]]:
    """An edge with affinity before two replicas that say who they are."""
    ports, port = [free_port(), free_port()], free_port()
    table = {"port": port, "affinity": True, "upstreams": [f"127.0.0.1:{each}" for each in ports]}
    for name, text in files_of(request.param, None, table).items():
        (tmp_path / name).write_text(text)
    environ = clean_environ(HOME=str(tmp_path), XDG_DATA_HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path))
    with ExitStack() as stack:
        replicas = {}
        for each in ports:
            server = background([sys.executable, "-c", REPLICA, str(each)], cwd=tmp_path, environ=environ)
            replicas[str(each)] = stack.enter_context(server)
            replicas[str(each)].wait_for("ready", 60)
        edge = stack.enter_context(background(command(request.param, tmp_path), cwd=tmp_path, environ=environ))
        yield f"http://127.0.0.1:{port}/", replicas
        edge.process.terminate()
        edge.process.wait(60)


def visitor() -> httpx.Client:
    """A browser with its own cookies."""
    return httpx.Client(trust_env=False, timeout=60)


def answer(client: httpx.Client, url: str) -> str:
    """Which replica answers; patient, because health checks take their time."""
    deadline = time.monotonic() + 60
    while True:
        try:
            found = client.get(url)
            if found.status_code == 200:
                return found.text
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_browser_stays_and_moves_only_when_its_replica_is_gone(running: tuple[str, dict[str, Server]]) -> None:
    url, replicas = running
    homes: set[str] = set()
    deadline = time.monotonic() + 60
    # Which one a newcomer gets is the edge's business; sooner or later both get one.
    while homes != set(replicas):
        assert time.monotonic() < deadline, homes
        with visitor() as newcomer:
            homes.add(answer(newcomer, url))

    with visitor() as client:
        home = answer(client, url)
        assert {answer(client, url) for _ in range(10)} == {home}
        [cookie] = [each for each in client.cookies.jar if each.name == "fluxlit_edge"]
        assert cookie.has_nonstandard_attr("HttpOnly")

        replicas[home].process.kill()
        replicas[home].process.wait(10)
        assert {answer(client, url) for _ in range(5)} == set(replicas) - {home}
