"""Checks of a Compose file that was edited."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fluxlit_deploy.compose import check
from fluxlit_deploy.compose.check import FILES
from fluxlit_deploy.dependencies import Dependencies, LockKind
from fluxlit_deploy.description import Project
from fluxlit_deploy.options import EDGES, Edge
from tests.deploy.compose.reader import generated

DEPENDENCIES = Dependencies(LockKind.UV, "uv.lock", has_command=True, has_redis=True)
PROJECT = Project("portal", "Portal", "app:app", dependencies=DEPENDENCIES, settings={"root_path": "/portal"})
KEY = "      FLUXLIT_SECRET_KEY: ${FLUXLIT_SECRET_KEY:?Put it into .env}\n"


def findings(folder: Path) -> list[tuple[str, str, int | None]]:
    return [(each.id, each.file, each.line) for each in check(PROJECT, folder)]


def written(folder: Path, edge: Edge | None = None) -> Path:
    path = folder / "compose.yaml"
    path.write_text(generated(edge, root_path="/portal")["compose.yaml"])
    return path


@pytest.mark.parametrize("edge", EDGES)
def test_what_is_generated_is_fine(edge: Edge, tmp_path: Path) -> None:
    written(tmp_path, edge)

    assert findings(tmp_path) == []


def test_nothing_is_missed_where_there_is_nothing(tmp_path: Path) -> None:
    assert findings(tmp_path) == []


def test_a_client_of_redis_is_needed(tmp_path: Path) -> None:
    written(tmp_path)
    project = replace(PROJECT, dependencies=replace(DEPENDENCIES, has_redis=False))

    assert {each.id for each in check(project, tmp_path)} == {"compose-client"}


@pytest.mark.parametrize("name", FILES)
def test_every_name_of_the_file_is_known(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("services: {}\nx: [\n")

    assert findings(tmp_path) == [("compose-yaml", name, 3)]


@pytest.mark.parametrize(
    ("old", "new", "id_", "at"),
    [
        ("services:\n", "servces:\n", "yaml", ""),
        ("service_healthy\n    networks: [edge, store]", "service_started\n    networks: [edge, store]",
         "order", "      redis:"),
        ("      redis:\n", "      rdis:\n", "reference", "rdis"),
        ("networks: [store]", "networks: [sotre]", "reference", "sotre"),
        ("- sessions:/data", "- session:/data", "reference", "    volumes:\n      - session:/data"),
        ("- sessions:/data", "- sessions:/elsewhere", "redis-volume", "    volumes:\n      - sessions"),
        ("--appendonly yes", "--appendonly no", "redis-memory", "    command:\n      - sh"),
        ('    user: "999:999"\n', '    user: "999:999"\n    ports: ["6379:6379"]\n', "redis-port", '    ports: ["6379'),
        ("${REDIS_PASSWORD:?Put it into .env}@redis", "hunter2@redis", "secret", "hunter2"),
        (KEY, "      FLUXLIT_SECRET_KEY: abcdef\n", "secret", "FLUXLIT_SECRET_KEY: abc"),
        (KEY, "", "key", "    environment:"),
        ("stop_grace_period: 50s", "stop_grace_period: 30s", "grace", "stop_grace_period: 30s"),
        ("stop_grace_period: 50s", "stop_grace_period: 0m49s", "grace", "stop_grace_period: 0m49s"),
        ("    stop_grace_period: 50s\n", "", "grace", "  app: &app"),
        ('    tmpfs: ["/tmp:mode=1777,size=256m"]\n', "", "tmp", "  read_only: true"),
        ("test: [CMD, fluxlit, healthcheck]", "disable: true", "health", "    healthcheck:"),
        ("FLUXLIT_FORWARDED_ALLOW_IPS: 172.30.85.254", 'FLUXLIT_FORWARDED_ALLOW_IPS: "*"', "trust", 'ALLOW_IPS: "*"'),
        ("    networks: [edge, store]\n", '    ports: ["8000:8000"]\n', "trust", 'ports: ["8000'),
        (KEY, f"{KEY}      FLUXLIT_ROOT_PATH: /other\n", "setting", "ROOT_PATH"),
        (KEY, f"{KEY}      FLUXLIT_GATEWAY_PORT: 9000\n", "setting", "GATEWAY_PORT"),
    ],
)  # fmt: skip
def test_each_mistake_is_found_where_it_is(old: str, new: str, id_: str, at: str, tmp_path: Path) -> None:
    path = written(tmp_path)
    text = path.read_text()
    assert old in text
    text = text.replace(old, new, 1)
    path.write_text(text)

    found = [each for each in findings(tmp_path) if each[0] == f"compose-{id_}"]

    assert found, findings(tmp_path)
    if at:
        assert found[0][1:] == ("compose.yaml", text[: text.index(at)].count("\n") + 1)


def test_files_of_others_are_understood(tmp_path: Path) -> None:
    (tmp_path / "docker-compose.yml").write_text(
        """
services:
  web:
    build: .
    environment:
      - FLUXLIT_SECRET_KEY=abcdef
    ports: !override ["127.0.0.1:8000:8000"]
    depends_on: [cache]
    volumes:
      - {type: bind, source: /srv, target: /srv}
  cache:
    image: redis@sha256:abc
"""
    )

    found = {each[0].removeprefix("compose-") for each in findings(tmp_path)}

    assert found == {"secret", "order", "redis-volume", "redis-memory", "grace"}
