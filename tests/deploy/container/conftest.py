"""A reader follows docs/how-to/first-deployment.md, once for all tests."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import brotli
import pytest
from uv import find_uv_bin

from fluxlit.frontend.cache import Cache, environment_folder
from fluxlit.frontend.files import Files
from fluxlit.frontend.variants import ENCODINGS, name_of
from tests.deploy.container import docker
from tests.deploy.container.engine import Engine, folder_for_images, run
from tests.docs.markdown import blocks
from tests.docs.runner import do, reader
from tests.support.processes import ROOT

PAGE = ROOT / "docs" / "how-to" / "first-deployment.md"
PLACE = "tests/deploy/container/test_image.py"
IMAGE = "registry.example.com/team/portal:1.0.0"
SECRET = "correct-horse-battery"
BUILD_S = 1000


@dataclass(frozen=True)
class Shipped:
    """What is there after the last line of the page.

    Attributes:
        project: the project's folder.
        engine: holds the image.
    """

    project: Path
    engine: Engine


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for images, which has the base image."""
    folder = folder_for_images(tmp_path_factory.mktemp("store"))
    engine = Engine(folder)
    try:
        engine.make_base()
        yield folder
    finally:
        engine.remove()


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory, store: Path) -> Shipped:
    """Follow the page, with secrets lying about where people leave them."""
    home = tmp_path_factory.mktemp("home")
    for name in ("fluxlit-gateway", "fluxlit-cli"):
        wheel = ("build", "--quiet", "--wheel", "--out-dir", str(home / "FluxLit" / "dist"))
        run(find_uv_bin(), *wheel, str(ROOT / "packages" / name))
    [gateway] = (home / "FluxLit" / "dist").glob("fluxlit_gateway-*.whl")
    add_front_end(gateway, home)
    docker.install(home / "tools", store)
    with reader(home / "work", PLACE, home / "tools") as person:
        person.timeout = BUILD_S
        for block in blocks(PAGE.read_text(encoding="utf-8")):
            if "docker build" in block.source:
                leave_secrets(person.folder)
            do(person, block, PAGE)
        return Shipped(person.folder, Engine(store))


def add_front_end(wheel: Path, home: Path) -> None:
    """Let a wheel bring what `fluxlit assets` makes.

    Here it is compressed little: the best level takes 40 s.
    """
    front_end = Files.of_streamlit()
    assert front_end is not None
    place = environment_folder(front_end.version).relative_to(sys.prefix)
    folder = home / place
    folder.mkdir(parents=True)
    cache = Cache([folder], folder)
    for asset in front_end.assets().values():
        if asset.compressible:
            cache.put(name_of(asset, ENCODINGS["br"].best), brotli.compress(asset.file.read_bytes(), quality=4))
    with ZipFile(wheel) as old:
        members = {info: old.read(info) for info in old.infolist()}
    [record] = [info for info in members if info.filename.endswith(".dist-info/RECORD")]
    data = record.filename.replace(".dist-info/RECORD", f".data/data/{place}")
    for file in folder.iterdir():
        added = ZipInfo(f"{data}/{file.name}")
        added.external_attr = 0o644 << 16
        members[added] = file.read_bytes()
        members[record] += f"{added.filename},,\n".encode()
    with ZipFile(wheel, "w") as new:
        for info, content in members.items():
            new.writestr(info, content)


def leave_secrets(project: Path) -> None:
    """Put secrets where they are in many projects."""
    (project / ".env").write_text(f"FLUXLIT_SECRET_KEY={SECRET}{SECRET}\n")
    (project / ".streamlit").mkdir()
    (project / ".streamlit" / "secrets.toml").write_text(f'key = "{SECRET}"\n')
    for name in (".envrc", "service-account.json", "prod.tfvars", "secrets/key", "sessions.db", "deep/down/id_rsa"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(SECRET)
