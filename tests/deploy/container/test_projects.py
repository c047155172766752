"""Images of many kinds of projects, built by buildah, started, and asked.

A run builds one for each way to install; `hatch run images` builds the others. FluxLit itself is a stand-in here:
test_image.py builds and runs it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from uv import find_uv_bin

from fluxlit_deploy.dependencies import find_dependencies
from fluxlit_deploy.image import files
from fluxlit_deploy.options import Options
from tests.deploy.container.engine import Engine, bundle
from tests.deploy.container.kinds import ALWAYS, KINDS, write
from tests.deploy.projects import project
from tests.support.ports import free_port
from tests.support.processes import background, clean_environ

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def engine(store: Path) -> Iterator[Engine]:
    """A store of images; what a test adds to it is removed."""
    engine = Engine(store)
    yield engine
    engine.buildah("rm", "--all")
    engine.buildah("rmi", "--force", "tested")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in ALWAYS else pytest.mark.images) for name in KINDS]
)
def test_each_kind_is_built_and_answers(name: str, engine: Engine, tmp_path: Path) -> None:
    kind, folder = KINDS[name], tmp_path / "project"
    write(kind, folder)
    if kind.locks:
        subprocess.run([find_uv_bin(), "lock", "--quiet"], cwd=folder, check=True)
    found = find_dependencies(folder, kind.wanted, "3.11")
    for file in files(replace(project(), dependencies=found, target=kind.target), Options()):
        (folder / file.path).write_text(file.text)

    engine.build(folder, "tested")

    config = engine.config("tested")
    tree = engine.unpack("tested")
    [packages] = (tree / "opt/venv/lib").glob("python*/site-packages")
    installed = {each.name.partition("-")[0] for each in packages.glob("*.dist-info")}
    assert {"fluxlit_cli", "iniconfig"} <= installed
    assert installed.isdisjoint({"colorama", "pluggy"})
    port = free_port()
    place = bundle(tmp_path / "bundle", tree, config, {"FLUXLIT_GATEWAY_PORT": str(port)})
    container = f"kind-{os.getpid()}-{port}"
    runc = ("runc", "--root", str(tmp_path / "runc"))
    with background([*runc, "run", "--bundle", str(place), container], cwd=tmp_path, environ=clean_environ()) as server:
        try:
            server.wait_for("ready", timeout=60)
            assert httpx.get(f"http://127.0.0.1:{port}", trust_env=False).text == "IniConfig"
        finally:
            subprocess.run([*runc, "delete", "--force", container], capture_output=True, check=False)
