"""The image and manifests of docs/how-to/first-deployment.md.

One file, so that one process follows the page, once.
"""

import asyncio
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.deploy.container.conftest import IMAGE, SECRET, Shipped
from tests.deploy.container.engine import bundle
from tests.deploy.kubernetes import kustomize, linters, schemas
from tests.support.ports import free_port
from tests.support.processes import Server, background, clean_environ
from tests.support.session import Session

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@dataclass
class Image:
    """An image that was built: its files and its configuration."""

    files: Path
    config: dict[str, Any]


@dataclass
class Container:
    """A running container."""

    name: str
    runc: tuple[str, ...]
    url: str
    server: Server
    healthcheck: list[str]

    def exec(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.runc, "exec", self.name, *command], capture_output=True, text=True, timeout=60, check=False
        )


@pytest.fixture(scope="module")
def image(shipped: Shipped) -> Image:
    return Image(shipped.engine.unpack(IMAGE), shipped.engine.config(IMAGE))


@pytest.fixture
def container(image: Image, tmp_path: Path) -> Iterator[Container]:
    port = free_port()
    folder = bundle(tmp_path / "bundle", image.files, image.config, {"FLUXLIT_GATEWAY_PORT": str(port)})
    name = f"portal-{os.getpid()}-{port}"
    runc = ("runc", "--root", str(tmp_path / "runc"))
    with background([*runc, "run", "--bundle", str(folder), name], cwd=tmp_path, environ=clean_environ()) as server:
        server.wait_for("FluxLit is ready", timeout=60)
        try:
            yield Container(name, runc, f"http://127.0.0.1:{port}", server, image.config["Healthcheck"]["Test"][1:])
        finally:
            subprocess.run([*runc, "delete", "--force", name], capture_output=True, check=False)


def test_it_says_what_it_is(image: Image) -> None:
    config = image.config
    assert config["User"] == "10001:10001"
    assert config["Cmd"] == ["fluxlit", "run", "app:app"]
    assert config["StopSignal"] == "SIGTERM"
    assert config["ExposedPorts"] == {"8000/tcp": {}}
    assert config["Labels"]["org.opencontainers.image.title"] == "Portal"
    assert "FLUXLIT_GATEWAY_HOST=0.0.0.0" in config["Env"]


def test_it_holds_no_secret_and_no_build_tool(image: Image) -> None:
    assert SECRET not in str(image.config)
    copied = {str(path.relative_to(image.files / "app")): path for path in (image.files / "app").rglob("*")}
    assert "app.py" in copied
    assert [name for name in copied if "env" in name or "secret" in name or name.startswith("Dockerfile")] == []
    assert [name for name, path in copied.items() if path.is_file() and SECRET.encode() in path.read_bytes()] == []
    assert not (image.files / "usr/local/bin/uv").exists()
    assert list((image.files / "opt/venv").glob("lib/*/site-packages/fluxlit/__pycache__/app.*.pyc"))
    assert len(list((image.files / "opt/venv").glob("share/fluxlit/streamlit-*/*.br11"))) > 100


def test_it_serves_as_nobody_without_writing_and_leaves_in_order(container: Container) -> None:
    assert httpx.get(f"{container.url}/api/readyz", trust_env=False, timeout=60).json()["status"] == "ready"

    async def visit() -> list[str]:
        async with Session(container.url) as session:
            return await session.run()

    assert "- Read app.py" in asyncio.run(visit())
    assert container.exec(*container.healthcheck).returncode == 0
    assert container.exec("id", "-u").stdout.strip() == "10001"
    for path in ("/x", "/app/x", "/opt/venv/x", "/var/x"):
        assert "Read-only file system" in container.exec("touch", path).stderr
    orphan = container.exec("sh", "-c", "sleep 0.2 >/dev/null & echo $!").stdout.strip()
    deadline = time.monotonic() + 60
    while container.exec("test", "-e", f"/proc/{orphan}").returncode == 0:
        assert time.monotonic() < deadline, "the orphan stays a zombie"
        time.sleep(0.1)
    subprocess.run([*container.runc, "kill", container.name, "TERM"], check=True)
    assert container.server.process.wait(60) == 0
    assert signal.SIGTERM.name not in "".join(container.server.output)


def test_the_way_leads_to_valid_manifests(shipped: Shipped) -> None:
    overlays = shipped.project / "kubernetes" / "overlays"
    for name in ("dev", "production"):
        for version, each in itertools.product(schemas.newest_minors(), kustomize.build(overlays / name)):
            assert schemas.problems(each, version) == []
    production = kustomize.build(overlays / "production")
    assert linters.findings(linters.KUBE_LINTER, production) == []
    assert linters.findings(linters.KUBE_SCORE, production) == []
    assert [container["image"] for container in kustomize.containers(production)] == [IMAGE]
