"""The configuration files are accepted and agree with each other."""

from __future__ import annotations

import re
import subprocess
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
import yaml

from tests.integration.edges.compose import FOLDER, PLAIN_STACK, STACKS, Loader, load, merge
from tests.integration.edges.engines import check, filled_in
from tests.support.processes import ROOT

# What users' scripts and bookmarks depend on.
MATRIX = {
    "strip-prefix": ("nginx", "http", 8080, "/myapp"),
    "fullpath": ("nginx", "http", 8081, "/myapp"),
    "root": ("nginx", "http", 8082, ""),
    "apps-prefix": ("nginx", "http", 8083, "/apps/my-app"),
    "https": ("nginx", "https", 8444, "/myapp"),
    "caddy": ("caddy", "http", 8084, "/myapp"),
    "traefik": ("traefik", "http", 8085, "/myapp"),
    "haproxy": ("haproxy", "http", 8086, "/myapp"),
}


@pytest.mark.parametrize("name", [name for name in STACKS if name != "traefik"])
def test_the_edge_accepts_its_configuration(name: str, tmp_path: Path) -> None:
    done = check(load(name), tmp_path)

    assert done.returncode == 0, done.stderr
    assert not re.search(r"\bwarn", done.stdout + done.stderr, re.IGNORECASE)


@pytest.mark.parametrize("name", ["strip-prefix", "https", "caddy", "haproxy"])
def test_the_check_notices_a_mistake(name: str, tmp_path: Path) -> None:
    done = check(load(name), tmp_path, damage=lambda text: text.replace("timeout", "timeowt"))

    assert done.returncode != 0


def test_the_matrix_is_as_promised() -> None:
    stacks = {name: load(name) for name in STACKS}

    assert {
        name: (stack.engine, stack.scheme, int(stack.environment["EDGE_PORT"]), stack.prefix)
        for name, stack in stacks.items()
    } == MATRIX


@pytest.mark.parametrize("name", STACKS)
def test_both_containers_know_the_same_addresses(name: str) -> None:
    stack = load(name)
    port = stack.environment["EDGE_PORT"]

    assert stack.ports == (f"{port}:{port}",)
    assert stack.environment["PUBLIC_PREFIX"] == stack.prefix
    assert stack.environment["UPSTREAM"] == "app:8000"
    assert stack.engine != "traefik" or f"--entrypoints.web.address=:{port}" in stack.command
    assert [mount.source for mount in stack.mounts if mount.file and not mount.file.is_file()] == []


def test_only_the_edge_is_published_and_only_its_address_is_trusted() -> None:
    base = yaml.load((FOLDER / "docker-compose.yml").read_text(encoding="utf-8"), Loader)

    network = base["networks"]["default"]["ipam"]["config"][0]["subnet"]
    address = base["services"]["edge"]["networks"]["default"]["ipv4_address"]
    assert "ports" not in base["services"]["app"]
    assert base["services"]["app"]["environment"]["FLUXLIT_FORWARDED_ALLOW_IPS"] == address
    assert IPv4Address(address) in IPv4Network(network)


def test_overlays_are_merged_as_compose_does() -> None:
    below = {"environment": {"A": "1", "B": "2"}, "ports": ["1:1"], "image": "old"}
    above = yaml.load("{environment: {B: x}, ports: ['2:2'], image: new}", Loader)
    replaced = yaml.load("ports: !override ['2:2']", Loader)

    assert merge(below, above) == {"environment": {"A": "1", "B": "x"}, "ports": ["1:1", "2:2"], "image": "new"}
    assert merge(below, replaced)["ports"] == ["2:2"]


def test_only_variables_that_exist_are_filled_in() -> None:
    text = "server ${UPSTREAM}; set $host ${UNKNOWN} $UPSTREAM;"

    assert filled_in(text, {"UPSTREAM": "app:8000"}) == "server app:8000; set $host ${UNKNOWN} app:8000;"


def test_the_image_is_built_from_files_that_exist() -> None:
    dockerfile = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    sources = re.findall(r"^COPY (?!--from)(\S+) ", dockerfile, re.MULTILINE)

    assert sources == ["packages/fluxlit-gateway", "packages/fluxlit-cli", "docker/proxy-deployment/app.py"]
    assert all((ROOT / source).exists() for source in sources)
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert [line[1:] for line in ignored if line.startswith("!")] == sources


def test_no_key_lies_in_the_folder() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts]

    assert len(files) > 15
    assert [path for path in files if b"PRIVATE KEY" in path.read_bytes()] == []


def test_certificates_are_made_once_and_kept(tmp_path: Path) -> None:
    def make() -> str:
        done = subprocess.run([FOLDER / "make-certs.sh", tmp_path], capture_output=True, text=True, check=True)
        return done.stdout

    assert "made" in make()
    first = (tmp_path / "edge.crt").read_bytes()
    assert "is there" in make()
    assert (tmp_path / "edge.crt").read_bytes() == first
    assert (tmp_path / "edge.key").stat().st_mode & 0o777 == 0o600


def test_every_overlay_is_a_stack() -> None:
    overlays = {path.name.split(".")[1] for path in FOLDER.glob("docker-compose.*.yml")}

    assert overlays == set(STACKS) - {PLAIN_STACK}
