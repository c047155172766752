"""Docker's own client reads every Compose file as the tests do."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from fluxlit_deploy.options import EDGES, PATH_MODES, Edge, PathMode
from tests.deploy.compose.client import config
from tests.deploy.compose.reader import SECRETS, generated, load
from tests.deploy.compose.test_compose import TLS
from tests.support.processes import ROOT

pytestmark = pytest.mark.slow

MATRIX = [(edge, mode, tls) for edge, mode, tls in itertools.product(EDGES, PATH_MODES, (False, True))]
# What the client writes in another way than it stands in the file.
REWRITTEN = {"build", "deploy", "depends_on", "healthcheck", "networks", "ports", "stop_grace_period", "volumes"}


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


@pytest.mark.parametrize(("edge", "mode", "tls"), MATRIX)
def test_it_is_taken_and_read_alike(edge: Edge, mode: PathMode, tls: bool, tmp_path: Path) -> None:
    files = generated(edge, mode, TLS if tls else None, root_path="" if mode == "root" else "/apps/portal")
    write(tmp_path, files)

    done = config(tmp_path, "--profile", "replicas", environ=SECRETS)

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    theirs: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
    ours = load(files["compose.yaml"], SECRETS, "replicas")["services"]
    assert {name: plain(each) for name, each in theirs.items()} == {name: plain(each) for name, each in ours.items()}
    assert set(theirs["edge"]["depends_on"]) == {"app", "app-2"}
    assert theirs["edge"]["depends_on"]["app-2"]["required"] is False


def plain(service: dict[str, Any]) -> dict[str, Any]:
    """A service without what is written in several ways."""
    # The client has doubled dollar signs, so that what it prints is a Compose file again.
    halved = yaml.safe_load(yaml.safe_dump(service).replace("$$", "$"))
    found = {key: value for key, value in halved.items() if key not in REWRITTEN and value is not None}
    return found | {"environment": found.get("environment", {}), "entrypoint": None}


@pytest.mark.parametrize("missing", sorted(SECRETS))
def test_it_stops_without_a_secret(missing: str, tmp_path: Path) -> None:
    write(tmp_path, generated())

    done = config(tmp_path, environ={name: value for name, value in SECRETS.items() if name != missing})

    assert done.returncode != 0
    assert f"required variable {missing} is missing a value: Put it into .env" in done.stderr


def test_the_second_replica_comes_by_its_profile(tmp_path: Path) -> None:
    write(tmp_path, generated())

    done = config(tmp_path, environ=SECRETS)

    assert set(yaml.safe_load(done.stdout)["services"]) == {"app", "edge", "redis"}


def test_the_example_is_taken() -> None:
    done = config(ROOT / "examples" / "docker_compose", "--profile", "replicas", environ=SECRETS)

    assert done.returncode == 0, done.stderr


def test_a_mistake_is_not_taken(tmp_path: Path) -> None:
    files = generated()
    write(tmp_path, files | {"compose.yaml": files["compose.yaml"].replace("read_only", "read_onyl")})

    assert config(tmp_path, environ=SECRETS).returncode != 0
