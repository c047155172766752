"""The edges of the Compose files as processes of this machine.

What differs from a container is written here and nowhere else: UPSTREAM, EDGE_HOST and EDGE_PORT, the folder that
stands for the root of the file system, and nginx.conf, which the image brings along.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.integration.edges.compose import FOLDER, Stack
from tests.support.ports import free_port
from tests.support.processes import background, clean_environ

# As in the image, without what concerns log files and the number of processes.
NGINX_CONF = """
{user}
daemon off;
pid {root}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log off;
    sendfile on;
    keepalive_timeout 65;
    client_body_temp_path {root}/body;
    proxy_temp_path {root}/proxy;
    fastcgi_temp_path {root}/fastcgi;
    uwsgi_temp_path {root}/uwsgi;
    scgi_temp_path {root}/scgi;
    include conf.d/*.conf;
}}
"""


@dataclass(frozen=True)
class Edge:
    """A running edge.

    Attributes:
        stack: what it was made from.
        origin: its address, without a path.
    """

    stack: Stack
    origin: str

    @property
    def url(self) -> str:
        """Where browsers find the application, without a slash at the end."""
        return f"{self.origin}{self.stack.prefix}"

    @property
    def api_url(self) -> str:
        """Where browsers find the API."""
        return f"{self.url}/api"


@dataclass
class Room:
    """A folder in place of the root of the edge's file system.

    Attributes:
        damage: changes the files, to see that it is noticed.
    """

    stack: Stack
    root: Path
    upstream: str
    port: int
    damage: Callable[[str], str] = str
    environ: dict[str, str] = field(default_factory=dict)

    def furnish(self) -> Room:
        """Put everything into its place."""
        self.root.mkdir(exist_ok=True)
        own = {"UPSTREAM": self.upstream, "EDGE_HOST": "127.0.0.1", "EDGE_PORT": str(self.port)}
        self.environ = clean_environ(**self.stack.environment) | own
        for mount in self.stack.mounts:
            target = self.at(mount.target)
            target.parent.mkdir(parents=True, exist_ok=True)
            if mount.file is not None:
                target.write_text(self.damage(mount.file.read_text(encoding="utf-8")), encoding="utf-8")
            else:
                subprocess.run(["bash", FOLDER / "make-certs.sh", target], check=True, stdout=subprocess.DEVNULL)
        return self

    def at(self, path: str) -> Path:
        """Where a path of the container is."""
        return self.root / path.removeprefix("/")

    def moved(self, arguments: Sequence[str]) -> list[str]:
        """The arguments of the Compose file, for this machine."""
        port = re.compile(rf":{self.stack.environment['EDGE_PORT']}$")
        return [port.sub(f"127.0.0.1:{self.port}", part).replace("=/", f"={self.root}/") for part in arguments]


def program(name: str) -> str:
    """A program from this Python's environment or from the system."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin"])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.fail(f"There is no {name}. It comes with hatch.toml or scripts/system-packages.txt.", pytrace=False)
    return found


def nginx(room: Room, *, check: bool) -> list[str]:
    """Fill in the templates as the image does; return the command."""
    for template in room.at("/etc/nginx/templates").iterdir():
        target = room.at("/etc/nginx/conf.d") / template.name.removesuffix(".template")
        target.parent.mkdir(exist_ok=True)
        target.write_text(filled_in(template.read_text(encoding="utf-8"), room.environ), encoding="utf-8")
    user = "user root;" if os.geteuid() == 0 else ""  # the unprivileged user may not enter this folder
    room.at("/etc/nginx/nginx.conf").write_text(NGINX_CONF.format(root=room.root, user=user), encoding="utf-8")
    command = [program("nginx"), "-e", "stderr", "-p", str(room.root), "-c", str(room.at("/etc/nginx/nginx.conf"))]
    return [*command, "-t"] if check else command


def filled_in(template: str, environ: dict[str, str]) -> str:
    """Replace `${NAME}` and `$NAME` as the image's envsubst does."""
    pattern = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
    return pattern.sub(lambda match: environ.get(match[1] or match[2], match[0]), template)


def caddy(room: Room, *, check: bool) -> list[str]:
    """Caddy's command."""
    room.environ |= {"XDG_DATA_HOME": str(room.root / "data"), "XDG_CONFIG_HOME": str(room.root / "config")}
    verb = "validate" if check else "run"
    return [program("caddy"), verb, "--config", str(room.at("/etc/caddy/Caddyfile")), "--adapter", "caddyfile"]


def traefik(room: Room, *, check: bool) -> list[str]:
    """Traefik's command. It has no check of its own, but logs at its start."""
    return [program("traefik"), *room.moved(room.stack.command)]


def haproxy(room: Room, *, check: bool) -> list[str]:
    """HAProxy's command."""
    return [program("haproxy"), "-c" if check else "-db", "-f", str(room.at("/usr/local/etc/haproxy/haproxy.cfg"))]


ENGINES: dict[str, Callable[..., list[str]]] = {
    "nginx": nginx,
    "caddy": caddy,
    "traefik": traefik,
    "haproxy": haproxy,
}


@contextlib.contextmanager
def run_edge(stack: Stack, root: Path, upstream: str, damage: Callable[[str], str] = str) -> Iterator[Edge]:
    """Run a stack's edge in front of an application that is there already.

    Args:
        stack: which.
        root: an empty folder.
        upstream: host and port of the application.
        damage: changes the edge's files.
    """
    room = Room(stack, root, upstream, free_port(), damage).furnish()
    command = ENGINES[stack.engine](room, check=False)
    edge = Edge(stack, f"{stack.scheme}://127.0.0.1:{room.port}")
    with background(command, cwd=root, environ=room.environ) as process:
        deadline = time.monotonic() + 60
        with browserless() as client:
            while not answers(client, f"{edge.api_url}/healthz"):
                assert process.process.poll() is None, "".join(process.output)
                assert time.monotonic() < deadline, "".join(process.output)
                time.sleep(0.02)
        try:
            yield edge
        finally:
            # nginx must end its own processes: it replaces one that is killed.
            process.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.process.wait(3)


def check(stack: Stack, root: Path, damage: Callable[[str], str] = str) -> subprocess.CompletedProcess[str]:
    """Let the edge's own checker read its configuration."""
    room = Room(stack, root, "127.0.0.1:8000", free_port(), damage).furnish()
    command = ENGINES[stack.engine](room, check=True)
    return subprocess.run(command, cwd=root, env=room.environ, capture_output=True, text=True, timeout=60, check=False)


def refused_upload(edge: Edge, folder: Path) -> list[str]:
    """Send a refused upload and another request over one connection.

    By curl, because it speaks HTTP/2 where the edge does.
    """
    file = folder / "unwanted.bin"
    file.write_bytes(bytes(3_000_000))
    each = ["--silent", "--insecure", "--noproxy", "*", "--max-time", "30", "--output", "/dev/null"]
    each += ["--write-out", "%{http_code} "]
    first = [*each, "--upload-file", str(file), f"{edge.url}/second"]
    second = [*each, f"{edge.api_url}/healthz"]
    done = subprocess.run(["curl", *first, "--next", *second], capture_output=True, text=True, timeout=60, check=False)
    statuses = done.stdout.split()
    return ["refused" if statuses[0] in {"400", "405", "502"} else statuses[0], *statuses[1:]]


def smoke_test(edge: Edge) -> subprocess.CompletedProcess[str]:
    """Run the script as people do."""
    settings = {"PUBLIC_PREFIX": edge.stack.prefix, "BASE_URL": edge.origin, "INSECURE": "1", "WAIT_S": "30"}
    return subprocess.run(
        [FOLDER / "smoke-test.sh"], env=os.environ | settings, capture_output=True, text=True, timeout=60, check=False
    )


def browserless(**options: object) -> httpx.Client:
    """A client that takes the test certificate and no proxy."""
    return httpx.Client(verify=False, trust_env=False, timeout=60, **options)  # type: ignore[arg-type]


def from_address(address: str) -> httpx.Client:
    """A client with another address than the edge has for the application."""
    return browserless(transport=httpx.HTTPTransport(local_address=address, verify=False, trust_env=False))


def unverified(url: str) -> ssl.SSLContext | None:
    """TLS for the test certificate, where there is TLS."""
    if url.startswith(("http:", "ws:")):
        return None
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def answers(client: httpx.Client, url: str) -> bool:
    """Whether a request gets 200."""
    try:
        return client.get(url).status_code == 200
    except httpx.TransportError:
        return False
