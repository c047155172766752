"""Images of many kinds of projects, built by buildah, started, and asked.

A run builds one for each way to install; `hatch run images` builds the others. FluxLit itself is a stand-in here:
test_image.py builds and runs it.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from fluxlit_deploy.dependencies import find_dependencies
from fluxlit_deploy.image import files
from fluxlit_deploy.options import Options
from tests.deploy.container.engine import Engine, bundle
from tests.deploy.container.kinds import ALWAYS, KINDS, REQUIREMENTS, SETUPTOOLS, Kind, lock, stand_in, write
from tests.deploy.examples import copied
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


def written(kind: Kind, folder: Path) -> Path:
    """A project with all that `fluxlit build` writes."""
    write(kind, folder)
    if kind.locks:
        lock(folder)
    found = find_dependencies(folder, kind.wanted, "3.11")
    for file in files(replace(project(), dependencies=found, target=kind.target), Options()):
        (folder / file.path).write_text(file.text)
    return folder


def installed(tree: Path) -> set[str]:
    """The distributions in an image."""
    [packages] = (tree / "opt/venv/lib").glob("python*/site-packages")
    return {each.name.partition("-")[0] for each in packages.glob("*.dist-info")}


def answer(engine: Engine, tree: Path, folder: Path, path: str = "/", ready: str = "ready", **environ: str) -> str:
    """Start the image, and ask it."""
    port = free_port()
    place = bundle(folder / "bundle", tree, engine.config("tested"), {"FLUXLIT_GATEWAY_PORT": str(port)} | environ)
    name = f"kind-{os.getpid()}-{port}"
    runc = ("runc", "--root", str(folder / "runc"))
    with background([*runc, "run", "--bundle", str(place), name], cwd=folder, environ=clean_environ()) as server:
        try:
            server.wait_for(ready, timeout=60)
            return httpx.get(f"http://127.0.0.1:{port}{path}", trust_env=False).text
        finally:
            subprocess.run([*runc, "delete", "--force", name], capture_output=True, check=False)


@contextlib.contextmanager
def serving(folder: Path, token: str = "") -> Iterator[str]:
    """Serve files by HTTP, with a token for clients that have it.

    Yields the address.
    """
    expected = f"Basic {base64.b64encode(f'ci:{token}'.encode()).decode()}"

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if token and self.headers.get("Authorization") != expected:
                self.send_response(401)
                self.send_header("WWW-Authenticate", "Basic realm=index")
                self.end_headers()
            else:
                super().do_GET()

        def log_message(self, *_: Any) -> None: ...

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in ALWAYS else pytest.mark.images) for name in KINDS]
)
def test_each_kind_is_built_and_answers(name: str, engine: Engine, tmp_path: Path) -> None:
    engine.build(written(KINDS[name], tmp_path / "project"), "tested")

    tree = engine.unpack("tested")
    assert {"fluxlit_cli", "iniconfig"} <= installed(tree)
    assert installed(tree).isdisjoint({"colorama", "pluggy"})
    assert answer(engine, tree, tmp_path) == "IniConfig"


@pytest.mark.images
def test_the_compose_example_is_built_as_it_lies_there(engine: Engine, tmp_path: Path) -> None:
    engine.build(copied("docker_compose", tmp_path), "tested")

    tree = engine.unpack("tested")
    assert {"fluxlit_gateway", "fluxlit_sessions", "redis"} <= installed(tree)
    store = {"FLUXLIT_SESSION_STORE": "sqlite:////tmp/sessions.db"}
    assert answer(engine, tree, tmp_path, "/portal/api/ping", "FluxLit is ready", **store) == '"pong"'


@pytest.mark.images
def test_git_is_in_the_build_stage_alone(engine: Engine, tmp_path: Path) -> None:
    source, shared = tmp_path / "source", tmp_path / "shared" / "own.git"
    source.mkdir()
    (source / "pyproject.toml").write_text(f"{SETUPTOOLS}[project]\nname = 'own'\nversion = '1'\n")
    (source / "own.py").write_text("")
    user = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    for command in (["init", "-q"], ["add", "."], [*user, "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=source, check=True)
    subprocess.run(["git", "clone", "-q", "--bare", str(source), str(shared)], check=True)
    subprocess.run(["git", "update-server-info"], cwd=shared, check=True)  # for servers that know nothing of Git
    with serving(shared.parent) as url:
        kind = Kind({"requirements.txt": f"{REQUIREMENTS}own @ git+{url}/own.git\n"}, imports=("own",))
        engine.build(written(kind, tmp_path / "project"), "tested")

    tree = engine.unpack("tested")
    assert "own" in installed(tree)
    assert not (tree / "usr/bin/git").exists()
    assert answer(engine, tree, tmp_path) == "IniConfig"


@pytest.mark.images
def test_the_token_of_a_private_index_is_in_no_layer(engine: Engine, tmp_path: Path) -> None:
    token = "glpat-not-a-real-token-1234"
    stand_in(tmp_path / "index" / "simple" / "fluxlit-cli")
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login ci password {token}\n")
    with serving(tmp_path / "index", token) as url:
        kind = Kind({"requirements.txt": f"--extra-index-url {url}/simple\nfluxlit-cli\niniconfig==2.3.1\n"})
        folder = written(kind, tmp_path / "project")
        shutil.rmtree(folder / "wheels")
        engine.build(folder, "tested", "--secret", f"id=netrc,src={tmp_path / 'netrc'}")

    tree = engine.unpack("tested")
    assert {"fluxlit_cli", "iniconfig"} <= installed(tree)
    places = [tree / name for name in ("etc", "opt", "app", "root")]
    found = subprocess.run(["grep", "-rl", token, *places], capture_output=True, text=True, check=False)
    assert found.stdout == ""
    assert token not in engine.buildah("inspect", "--type", "image", "tested")
    assert answer(engine, tree, tmp_path) == "IniConfig"
