"""`ComposePlan`: every value of the Compose file and of its edge."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from fluxlit_deploy.compose.options import ComposeTable
from fluxlit_deploy.description import WORKERS_STOP_S, Project
from fluxlit_deploy.edges.options import edge_plan
from fluxlit_deploy.edges.plan import EdgePlan
from fluxlit_deploy.options import Edge, Options
from fluxlit_deploy.size import memory_mib, processes

DEFAULT_EDGE: Edge = "nginx"
FOLDER = PurePosixPath("edge") / "compose"
CERTIFICATES = "/certificates"


@dataclass(frozen=True)
class Image:
    """How an edge's image is used.

    Attributes:
        name: the image.
        user: number of the user that it runs as; its own, where the image has one.
        files: where it looks for each file of the configuration.
        tmpfs: what it writes to.
        connect: a command in it that succeeds when a port of its own accepts connections; it ends with the port.
    """

    name: str
    user: str
    files: dict[str, str]
    tmpfs: tuple[str, ...]
    connect: tuple[str, ...]


_BASH = ("CMD", "bash", "-c", ": > /dev/tcp/127.0.0.1/")
_BUSYBOX = ("CMD", "nc", "-z", "127.0.0.1", "")
IMAGES: dict[Edge, Image] = {
    "nginx": Image(
        "nginx:1.28",
        "101:101",
        {"fluxlit.conf": "/etc/nginx/fluxlit.conf", "site.conf": "/etc/nginx/conf.d/default.conf"},
        ("/run:uid=101,gid=101,mode=755,size=1m", "/var/cache/nginx:uid=101,gid=101,mode=755,size=64m"),
        _BASH,
    ),
    "caddy": Image(
        "caddy:2.11",
        "10001:10001",
        {"Caddyfile": "/etc/caddy/Caddyfile"},
        ("/config:mode=1777,size=1m", "/data:mode=1777,size=16m"),
        _BUSYBOX,
    ),
    "traefik": Image(
        "traefik:v3.7",
        "65532:65532",
        {"traefik.yml": "/etc/traefik/traefik.yml", "dynamic.yml": "/etc/traefik/dynamic.yml"},
        ("/tmp:mode=1777,size=16m",),  # noqa: S108  # of the container
        _BUSYBOX,
    ),
    "haproxy": Image("haproxy:2.6", "99:99", {"haproxy.cfg": "/usr/local/etc/haproxy/haproxy.cfg"}, (), _BASH),
}


@dataclass(frozen=True)
class ComposePlan:
    """Every value of the Compose file.

    Attributes:
        name: name of the set, which Compose puts in front of everything that it makes.
        image: the application's image; empty to build it.
        secrets: names of the secrets that the build of the image reads.
        needs_netrc: a package index wants credentials; a Git repository may be public.
        login: there is a login; its client secret may come from the environment.
        subnet: network of the edge and the application.
        processes: the gateway and its workers.
        start_s: seconds until the application must be ready.
        stop_s: seconds from SIGTERM to the exit in the worst case.
        stop_sum: how they come about.
        edge: the edge's configuration, with addresses as the containers see them.
        certificate: certificate of the machine that the edge gets, and its path there; empty for none.
        key: its key likewise.
        port: port of the machine.
    """

    name: str
    image: str
    secrets: tuple[str, ...]
    needs_netrc: bool
    login: bool
    subnet: str
    processes: int
    start_s: int
    stop_s: int
    stop_sum: str
    edge: EdgePlan
    certificate: str
    key: str
    port: int

    @property
    def edge_address(self) -> str:
        """Address of the edge: the last one, as Docker gives away the first ones."""
        return str(ipaddress.IPv4Network(self.subnet)[-2])

    @property
    def engine(self) -> Edge:
        """Which edge."""
        return self.edge.engine

    @property
    def memory_mib(self) -> int:
        """Limit of the application's memory: twice what it begins with."""
        return 2 * memory_mib(self.processes)

    @property
    def url(self) -> str:
        """Where browsers find the application."""
        if self.edge.automatic_tls:
            return f"https://{self.edge.host}{self.edge.prefix}/"
        return f"http{'s' if self.edge.tls else ''}://localhost:{self.port}{self.edge.prefix}/"

    @property
    def edge_image(self) -> str:
        """Image of the edge."""
        return IMAGES[self.engine].name

    @property
    def edge_user(self) -> str:
        """User of the edge; Caddy's own where a volume has its certificates."""
        return "" if self.edge.automatic_tls else IMAGES[self.engine].user

    @property
    def caddy_data(self) -> bool:
        """Caddy keeps certificates."""
        return self.edge.automatic_tls

    @property
    def edge_tmpfs(self) -> list[str]:
        """Folders that the edge writes to, and forgets."""
        return [each for each in IMAGES[self.engine].tmpfs if not (self.caddy_data and each.startswith("/data"))]

    @property
    def ports(self) -> list[str]:
        """Published ports. Automatic certificates need 80 and 443."""
        if self.edge.automatic_tls:
            return ["80:80", "443:443", "443:443/udp"]
        return [f"${{EDGE_PORT:-{self.port}}}:{self.edge.port}"]

    @property
    def mounts(self) -> list[str]:
        """What the edge sees of the folder and of the machine."""
        image = IMAGES[self.engine]
        found = [f"./{FOLDER / self.engine / name}:{target}:ro" for name, target in image.files.items()]
        pairs = {self.certificate: self.edge.certificate, self.key: self.edge.key}
        found += [f"{_on_host(source)}:{target}:ro" for source, target in pairs.items() if source]
        return [*found, *(["certificates:/data"] if self.caddy_data else [])]

    @property
    def edge_check(self) -> list[str]:
        """Health check of the edge: it accepts connections."""
        *command, last = IMAGES[self.engine].connect
        return [*command, f"{last}{443 if self.edge.automatic_tls else self.edge.port}"]


def make_plan(project: Project, table: ComposeTable, options: Options) -> ComposePlan:
    """Compute every value.

    Raises:
        DeployError: ``[build.edge]`` is wrong, or the path mode does not fit the root path.
    """
    wanted = edge_plan(project, replace(options, edge=options.edge or DEFAULT_EDGE))
    return ComposePlan(
        name=project.name,
        image=table.image,
        secrets=() if table.image else project.build_secrets,
        needs_netrc=bool(project.build.index_url or project.dependencies.private_index),
        login=project.login,
        subnet=table.subnet,
        processes=processes(project),
        start_s=project.start_seconds,
        stop_s=project.stop_seconds,
        stop_sum=f"{project.drain_delay_s:g} s drain delay + {project.graceful_timeout_s:g} s graceful timeout + "
        f"{project.api_end_s:g} s for the API + {WORKERS_STOP_S:g} s to end",
        edge=_edge(project, wanted),
        certificate=wanted.certificate,
        key="" if wanted.engine == "haproxy" else wanted.key,
        port=table.port or (8443 if wanted.tls else 8080),
    )


def _edge(project: Project, wanted: EdgePlan) -> EdgePlan:
    """Return the edge with the addresses and paths of its container."""
    return replace(
        wanted,
        upstreams=(f"app:{project.port}", f"app-2:{project.port}"),
        port="8443" if wanted.tls else "8080",
        affinity=project.build.edge.get("affinity", True),
        container_names=True,
        certificate=wanted.certificate and f"{CERTIFICATES}/edge.{'pem' if wanted.engine == 'haproxy' else 'crt'}",
        key=wanted.key and f"{CERTIFICATES}/edge.key",
    )


def _on_host(path: str) -> str:
    return path if path.startswith(("/", "./", "../")) else f"./{path}"
