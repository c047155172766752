"""The stacks of docker/proxy-deployment, read as Compose reads them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.processes import ROOT

FOLDER = ROOT / "docker" / "proxy-deployment"
PLAIN_STACK = "strip-prefix"
STACKS = (PLAIN_STACK, "fullpath", "root", "apps-prefix", "https", "caddy", "traefik", "haproxy")


class Override(list[Any]):
    """A list marked `!override`: it replaces what it is laid upon."""


class Loader(yaml.SafeLoader):
    """YAML with the one tag of Compose that the files use."""

    def override(self, node: yaml.SequenceNode) -> Override:
        """Read a list marked `!override`."""
        return Override(self.construct_sequence(node, deep=True))


Loader.add_constructor("!override", Loader.override)


@dataclass(frozen=True)
class Mount:
    """A file or a named volume, and where the container sees it."""

    source: str
    target: str

    @property
    def file(self) -> Path | None:
        """The file in the folder; `None` for a named volume."""
        return FOLDER / self.source if self.source.startswith(".") else None


@dataclass(frozen=True)
class Stack:
    """An application and its edge.

    Attributes:
        name: as in `run-all-proxy-smokes.sh`.
        files: the Compose files, first the lowest.
        application: environment of the application.
        image: image of the edge.
        environment: environment of the edge.
        command: arguments of the edge, if its image's own are not used.
        mounts: what the edge sees of the folder.
        ports: published ports, as written.
        scheme: what browsers speak to the edge.
    """

    name: str
    files: tuple[str, ...]
    application: dict[str, str]
    image: str
    environment: dict[str, str]
    command: tuple[str, ...]
    mounts: tuple[Mount, ...]
    ports: tuple[str, ...]
    scheme: str

    @property
    def engine(self) -> str:
        """Which program the edge is."""
        return self.image.partition(":")[0]

    @property
    def prefix(self) -> str:
        """The public path of the application."""
        return self.application["FLUXLIT_ROOT_PATH"]


def load(name: str) -> Stack:
    """Read a stack by its name."""
    files = ["docker-compose.yml"] + ([] if name == PLAIN_STACK else [f"docker-compose.{name}.yml"])
    merged: Any = {}
    for file in files:
        merged = merge(merged, yaml.load((FOLDER / file).read_text(encoding="utf-8"), Loader))
    app, edge = merged["services"]["app"], merged["services"]["edge"]
    return Stack(
        name=name,
        files=tuple(files),
        application=app["environment"],
        image=edge["image"],
        environment=edge["environment"],
        command=tuple(edge.get("command", ())),
        mounts=tuple(mounts(edge["volumes"])),
        ports=tuple(edge["ports"]),
        scheme="https" if name == "https" else "http",
    )


def merge(below: Any, above: Any) -> Any:
    """Merge Compose files: tables and lists are joined, the rest is replaced."""
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {key: merge(below.get(key), value) for key, value in above.items()}
    if isinstance(below, list) and isinstance(above, list) and not isinstance(above, Override):
        return below + above
    return above


def mounts(volumes: Iterable[str]) -> Iterable[Mount]:
    """Read the short form of volumes."""
    for volume in volumes:
        source, target, mode = volume.split(":")
        assert mode == "ro", f"{volume} must not be written to"
        yield Mount(source, target)
