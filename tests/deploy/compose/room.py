"""A Compose file carried out on this machine without containers.

What differs from Compose is written here and nowhere else: every service is a process with a folder of its own in
place of its file system, and addresses of services are ports of this machine. Commands, variables, the order of the
start and health checks are those of the Compose file, and of the Dockerfile where they are not in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.integration.edges.engines import NGINX_CONF, program
from tests.support.ports import free_port
from tests.support.processes import Server, background, clean_environ

PATIENCE = 90


@dataclass
class Service:
    """One service.

    Attributes:
        name: its name.
        described: content of the Compose file, with variables filled in.
        root: folder that stands for its file system.
        port: port of this machine in place of its own.
        dockerfile: text of the image's Dockerfile, for services that are built.
        addresses: what becomes of ``service:port`` in its commands, variables and files.
    """

    name: str
    described: dict[str, Any]
    root: Path
    port: int
    dockerfile: str
    addresses: Mapping[str, str]

    @property
    def engine(self) -> str:
        """Its program: the name of its image."""
        return str(self.described["image"]).partition(":")[0]

    def moved(self, text: str) -> str:
        """A string with addresses and folders of this machine."""
        for there, here in self.addresses.items():
            text = re.sub(rf"(?<![\w-]){re.escape(there)}(?!\d)", here, text)
        writable = [each.partition(":")[0] for each in self.described.get("tmpfs", [])]
        named = [each.split(":")[1] for each in self.described.get("volumes", []) if not each.startswith((".", "/"))]
        for folder in (*writable, *named):
            text = re.sub(rf"(?<![\w.]){folder}(?=[/\s]|$)", str(self.at(folder)), text)
        return text

    def at(self, path: str) -> Path:
        """Where a path of its file system is."""
        return self.root / path.removeprefix("/")

    @property
    def cwd(self) -> Path:
        """Its working directory."""
        return self.at(self.described.get("working_dir", "/"))

    @cached_property
    def environ(self) -> dict[str, str]:
        """The image's variables and those of the Compose file."""
        found = {**_image_environ(self.dockerfile), **self.described.get("environment", {})}
        moved = {name: self.moved(str(value)) for name, value in found.items() if value is not None}
        if "FLUXLIT_SECRET_KEY" in moved:
            moved |= {"FLUXLIT_GATEWAY_HOST": "127.0.0.1", "FLUXLIT_GATEWAY_PORT": str(self.port)}
            # The edge is a process of this machine, not of the network.
            moved["FLUXLIT_FORWARDED_ALLOW_IPS"] = "127.0.0.1"
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        return clean_environ() | moved | {"PATH": path, "TMPDIR": str(self.at("/tmp")), "HOME": str(self.at("/tmp"))}

    @cached_property
    def command(self) -> list[str]:
        """What its container runs."""
        special = {"nginx": self._nginx, "caddy": self._caddy, "traefik": self._traefik, "haproxy": self._haproxy}
        if self.engine in special:
            return special[self.engine]()
        found = [self.moved(part) for part in self.described.get("command") or _image_command(self.dockerfile)]
        if self.engine == "redis":
            found[-1] += f" --bind 127.0.0.1 --port {self.port}"
        return found

    def _nginx(self) -> list[str]:
        site = self.at("/etc/nginx/conf.d/default.conf")
        # Debian's nginx asks no name server while it runs.
        for part in (r" resolve(?=;)", r"^ *resolver .*\n", r"^ *zone .*\n"):
            site.write_text(re.sub(part, "", site.read_text(), flags=re.MULTILINE))
        user = "user root;" if os.geteuid() == 0 else ""
        conf = self.at("/etc/nginx/nginx.conf")
        conf.write_text(NGINX_CONF.format(root=self.root, user=user))
        return [program("nginx"), "-e", "stderr", "-p", str(self.root), "-c", str(conf)]

    def _caddy(self) -> list[str]:
        return [program("caddy"), "run", "--config", str(self.at("/etc/caddy/Caddyfile")), "--adapter", "caddyfile"]

    def _traefik(self) -> list[str]:
        return [program("traefik"), *(part.replace("=/", f"={self.root}/") for part in self.described["command"])]

    def _haproxy(self) -> list[str]:
        return [program("haproxy"), "-db", "-f", str(self.at("/usr/local/etc/haproxy/haproxy.cfg"))]

    def healthy(self) -> bool:
        """The result of its health check."""
        kind, *command = self.described["healthcheck"]["test"]
        if command[0] == "nc" or "/dev/tcp/" in command[-1]:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
                return True
            return False
        if kind == "CMD-SHELL":
            command = ["sh", "-c", command[0].replace("redis-cli", f"redis-cli -p {self.port}")]
        done = subprocess.run(command, cwd=self.cwd, env=self.environ, capture_output=True, timeout=60, check=False)
        return done.returncode == 0


@dataclass
class Room:
    """A set of services, started in the order of their dependencies.

    Attributes:
        found: the Compose file, read.
        files: every generated file by its path.
        folder: an empty folder with a short path.
        project: folder of the application.
        running: the services that were started.
    """

    found: dict[str, Any]
    files: Mapping[str, str]
    folder: Path
    project: Path
    stack: contextlib.ExitStack
    ports: dict[str, int] = field(default_factory=dict)
    running: dict[str, tuple[Service, Server]] = field(default_factory=dict)

    def up(self, name: str) -> Service:
        """Start a service and what it depends on, and wait until it is healthy."""
        if name in self.running:
            return self.running[name][0]
        for other, how in self.found["services"][name].get("depends_on", {}).items():
            assert how["condition"] == "service_healthy"
            if other in self.found["services"]:
                self.up(other)
        service = self._furnished(name)
        server = self.stack.enter_context(background(service.command, cwd=service.cwd, environ=service.environ))
        self.running[name] = service, server
        deadline = time.monotonic() + PATIENCE
        while not service.healthy():
            assert server.process.poll() is None, f"{name} has ended: {''.join(server.output)}"
            assert time.monotonic() < deadline, f"{name} is not healthy: {''.join(server.output)}"
            time.sleep(0.05)
        return service

    def down(self, name: str, how: signal.Signals = signal.SIGTERM) -> int:
        """End a service; its exit code."""
        _, server = self.running.pop(name)
        server.process.send_signal(how)
        return server.process.wait(PATIENCE)

    def url(self, service: Service) -> str:
        """Where browsers find it."""
        return f"http://127.0.0.1:{service.port}"

    def _furnished(self, name: str) -> Service:
        root = self.folder / name
        for each in ("tmp", "data"):
            (root / each).mkdir(parents=True, exist_ok=True)
        described, dockerfile = self.found["services"][name], ""
        if "build" in described:
            dockerfile = self.files["Dockerfile"]
            for path in self.project.iterdir():
                (root / path.name).write_bytes(path.read_bytes())
        own = {"8080": str(self._port(name))} if name == "edge" else {}
        services = {"app": 8000, "app-2": 8000, "redis": 6379}
        # A service that is not started keeps its name, which has no address here either.
        there = {each: port for each, port in services.items() if each in self.found["services"]}
        addresses = {f"{each}:{port}": f"127.0.0.1:{self._port(each)}" for each, port in there.items()}
        service = Service(name, described, root, self._port(name), dockerfile, addresses | own)
        for mount in described.get("volumes", []):
            source, target, *_ = mount.split(":")
            if source.startswith("./"):
                place = service.at(target)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(service.moved(self.files[source.removeprefix("./")]))
        return service

    def _port(self, name: str) -> int:
        return self.ports.setdefault(name, free_port())


def _image_environ(dockerfile: str) -> dict[str, str]:
    """FluxLit's own variables of the image."""
    return dict(re.findall(r"\b(FLUXLIT_\w+)=(\S+)", dockerfile))


def _image_command(dockerfile: str) -> list[str]:
    [command] = re.findall(r"^CMD (.*)$", dockerfile, re.MULTILINE)
    parts: list[str] = json.loads(command)  # its program is on the PATH
    return parts


@contextlib.contextmanager
def opened(found: dict[str, Any], files: Mapping[str, str], folder: Path, project: Path) -> Iterator[Room]:
    """A room in which nothing runs afterwards."""
    with contextlib.ExitStack() as stack:
        room = Room(found, files, folder, project, stack)
        yield room
        if "edge" in room.running:
            # nginx must end its own processes: it replaces one that is killed.
            room.down("edge")
