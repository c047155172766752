"""Small projects of many kinds, each needing what it declares.

FluxLit itself is a stand-in: a wheel with a command that imports the target and serves what it returns. So an image
that lacks a dependency or the project's own code does not answer.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from uv import find_uv_bin

from fluxlit_deploy.dependencies import Wanted

WHEEL = "fluxlit_cli-1.0.0-py3-none-any.whl"
LOCAL = f"./wheels/{WHEEL}"
# From the index, by its hashes.
INICONFIG = (
    "sha256:9121e2c1fdb355232495be3194c8dfe87ccc2d5dee45947b78e68f499790d7a7",
    "sha256:67f4b9c50da0dedf52af349e7749a80a9057a5031199791b906c3bb3ae878960",
)


@dataclass(frozen=True)
class Kind:
    """One project.

    Attributes:
        files: text of its files, by path; bytes are written as they are.
        wanted: what `[build]` chooses.
        locks: `uv lock` is run before.
        imports: modules that the application imports besides its dependency.
        packages: Debian packages for the image.
        target: what is started.
    """

    files: Mapping[str, str | bytes]
    wanted: Wanted = field(default_factory=Wanted)
    locks: bool = False
    imports: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    target: str = "app:app"


SETUPTOOLS = '[build-system]\nrequires = ["setuptools>=68"]\nbuild-backend = "setuptools.build_meta"\n'
HATCHLING = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
POETRY = '[build-system]\nrequires = ["poetry-core>=2"]\nbuild-backend = "poetry.core.masonry.api"\n'
PORTAL = '[project]\nname = "portal"\nversion = "0.1"\nrequires-python = ">=3.11"\n'
NEEDS = 'dependencies = ["fluxlit-cli", "iniconfig"]\n'
SOURCES = f'[tool.uv.sources]\nfluxlit-cli = {{ path = "wheels/{WHEEL}" }}\n'
REQUIREMENTS = f"{LOCAL}\niniconfig==2.3.1\n"
PACKAGE = {"src/portal/__init__.py": "NAME = 'portal'\n"}
FLAT = {"portal/__init__.py": "NAME = 'portal'\n"}

POETRY_LOCK = f"""
[[package]]
name = "fluxlit-cli"
version = "1.0.0"
groups = ["main"]
[package.source]
type = "file"
url = "wheels/{WHEEL}"
[[package]]
name = "iniconfig"
version = "2.3.1"
groups = ["main"]
files = [{{file = "a", hash = "{INICONFIG[0]}"}}, {{file = "b", hash = "{INICONFIG[1]}"}}]
[[package]]
name = "colorama"
version = "0.4.6"
groups = ["main"]
markers = "sys_platform == 'win32'"
"""
PDM_LOCK = f"""
[metadata]
groups = ["default"]
strategy = ["inherit_metadata"]
lock_version = "4.5.0"
[[package]]
name = "fluxlit-cli"
version = "1.0.0"
path = "{LOCAL}"
groups = ["default"]
[[package]]
name = "iniconfig"
version = "2.3.1"
groups = ["default"]
files = [{{file = "a", hash = "{INICONFIG[0]}"}}, {{file = "b", hash = "{INICONFIG[1]}"}}]
"""
PIPFILE_LOCK = f"""{{"_meta": {{}}, "default": {{
    "fluxlit-cli": {{"file": "{LOCAL}"}},
    "iniconfig": {{"hashes": ["{INICONFIG[0]}", "{INICONFIG[1]}"], "version": "==2.3.1"}}
}}}}"""
SETUP = """from setuptools import setup

setup(name="portal", version="0.1", package_dir={"": "src"}, packages=["portal"],
      install_requires=["fluxlit-cli", "iniconfig"])
"""
PYLOCK = f"""
lock-version = "1.0"
created-by = "pip"
[[packages]]
name = "fluxlit-cli"
archive = {{ path = "wheels/{WHEEL}", hashes = {{ sha256 = "{{wheel}}" }} }}
[[packages]]
name = "iniconfig"
version = "2.3.1"
wheels = [{{ name = "a", hashes = {{ sha256 = "{INICONFIG[0].partition(":")[2]}" }} }}]
sdist = {{ name = "b", hashes = {{ sha256 = "{INICONFIG[1].partition(":")[2]}" }} }}
"""
LINKS = {"uv.toml": 'find-links = ["wheels"]\n'}

KINDS: Mapping[str, Kind] = {
    "uv": Kind({"pyproject.toml": f"{PORTAL}{NEEDS}{SOURCES}"}, locks=True),
    "uv-package": Kind(
        {"pyproject.toml": f"{HATCHLING}{PORTAL}{NEEDS}{SOURCES}", **PACKAGE}, locks=True, imports=("portal",)
    ),
    "uv-extras-and-groups": Kind(
        {
            "pyproject.toml": f"{PORTAL}dependencies = []\n[project.optional-dependencies]\nweb = ['fluxlit-cli']\n"
            f"[dependency-groups]\nprod = ['iniconfig']\ndev = ['pluggy']\n{SOURCES}"
        },
        Wanted(extras=("web",), groups=("prod",)),
        locks=True,
    ),
    "workspace": Kind(
        {
            "pyproject.toml": "[project]\nname = 'all'\nversion = '1'\nrequires-python = '>=3.11'\n"
            f'[tool.uv.workspace]\nmembers = ["apps/*", "libs/*"]\n{SOURCES}own = {{ workspace = true }}\n',
            "apps/web/pyproject.toml": f'{SETUPTOOLS}{PORTAL}dependencies = ["fluxlit-cli", "own"]\n'
            '[project.optional-dependencies]\nmore = ["iniconfig"]\n',
            "apps/web/portal/__init__.py": "",
            "libs/own/pyproject.toml": f"{SETUPTOOLS}[project]\nname = 'own'\nversion = '1'\n",
            "libs/own/own/__init__.py": "",
            # A patch release that is not the image's.
            ".python-version": "3.11.0\n",
        },
        Wanted(package="portal", extras=("more",)),
        locks=True,
        imports=("portal", "own"),
    ),
    "uv-path": Kind(
        {
            "pyproject.toml": f'{PORTAL}dependencies = ["fluxlit-cli", "iniconfig", "own"]\n{SOURCES}'
            'own = { path = "libs/own" }\n',
            "libs/own/pyproject.toml": f"{SETUPTOOLS}[project]\nname = 'own'\nversion = '1'\n",
            "libs/own/own.py": "",
        },
        locks=True,
        imports=("own",),
    ),
    "requirements": Kind({"requirements.txt": REQUIREMENTS}),
    "hashed": Kind(
        {
            "requirements.txt": f"{LOCAL} --hash=sha256:{{wheel}}\niniconfig==2.3.1 \\\n    --hash={INICONFIG[0]} \\\n"
            f"    --hash={INICONFIG[1]}\n"
        }
    ),
    "includes": Kind(
        {
            "requirements.txt": "-r requirements/base.txt\r\n-c requirements/limits.txt\r\niniconfig\r\n",
            "requirements/base.txt": f"{LOCAL}\r\n",
            "requirements/limits.txt": "iniconfig==2.3.1\r\n",
        }
    ),
    "byte-order-mark": Kind({"requirements.txt": b"\xef\xbb\xbf" + REQUIREMENTS.encode()}),
    "utf-16": Kind({"requirements.txt": REQUIREMENTS.encode("utf-16")}),
    "editable": Kind(
        {
            "requirements.txt": f"-e .[web]\n{LOCAL}\n",
            "pyproject.toml": f'{SETUPTOOLS}{PORTAL}dynamic = ["dependencies", "optional-dependencies"]\n'
            '[tool.setuptools.dynamic]\ndependencies = {file = ["base.txt"]}\n'
            'optional-dependencies.web = {file = ["web.txt"]}\n',
            "base.txt": "",
            "web.txt": "iniconfig\n",
            **PACKAGE,
        },
        imports=("portal",),
    ),
    "itself": Kind(
        {
            "requirements.txt": f".\n{LOCAL}\niniconfig\n",
            "pyproject.toml": f'{SETUPTOOLS}{PORTAL}[tool.setuptools]\npackages = ["portal"]\n',
            **FLAT,
        },
        imports=("portal",),
    ),
    "two-folders": Kind(
        {
            "requirements.txt": REQUIREMENTS,
            "pyproject.toml": f"{SETUPTOOLS}{PORTAL}",
            "backend/__init__.py": "",
            "frontend/__init__.py": "",
        },
        imports=("backend", "frontend"),
    ),
    "tools-only": Kind(
        {"requirements.txt": REQUIREMENTS, "pyproject.toml": f"{SETUPTOOLS}[tool.black]\nline-length = 100\n"}
    ),
    "pyproject": Kind({"pyproject.toml": f"{HATCHLING}{PORTAL}{NEEDS}{SOURCES}", **PACKAGE}, imports=("portal",)),
    "flit": Kind(
        {
            "requirements.txt": REQUIREMENTS,
            "pyproject.toml": '[build-system]\nrequires = ["flit_core>=3.2"]\nbuild-backend = "flit_core.buildapi"\n'
            '[project]\nname = "portal"\nversion = "0.1"\ndescription = "The portal."\n',
            **FLAT,
        },
        imports=("portal",),
    ),
    "version-of-git": Kind(
        {
            "requirements.txt": REQUIREMENTS,
            "pyproject.toml": HATCHLING.replace('"]', '", "hatch-vcs"]', 1)
            + '[project]\nname = "portal"\ndynamic = ["version"]\n[tool.hatch.version]\nsource = "vcs"\n',
            **FLAT,
        },
        imports=("portal",),
    ),
    "dynamic": Kind(
        {
            "pyproject.toml": f'{SETUPTOOLS}{PORTAL}dynamic = ["dependencies"]\n[tool.setuptools.dynamic]\n'
            'dependencies = {file = ["needs/base.txt"]}\n',
            "needs/base.txt": "fluxlit-cli\niniconfig\n",
            **PACKAGE,
            **LINKS,
        },
        imports=("portal",),
    ),
    "setup.py": Kind(
        {"setup.py": SETUP, **PACKAGE, **LINKS},
        imports=("portal",),
    ),
    "setup.cfg": Kind(
        {
            "setup.cfg": "[metadata]\nname = portal\nversion = 0.1\n[options]\npackages = portal\n"
            "install_requires =\n    fluxlit-cli\n    iniconfig\n",
            "setup.py": "import setuptools\nsetuptools.setup()\n",
            **FLAT,
            **LINKS,
        },
        imports=("portal",),
    ),
    "poetry": Kind(
        {
            "pyproject.toml": '[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\niniconfig = "*"\n',
            "poetry.lock": POETRY_LOCK,
        }
    ),
    "poetry-package": Kind(
        {
            "pyproject.toml": f'{POETRY}{PORTAL}dependencies = ["fluxlit-cli (>=1.0,<2.0)", "iniconfig (>=2,<3)"]\n',
            "poetry.lock": POETRY_LOCK,
            **PACKAGE,
        },
        imports=("portal",),
    ),
    "pdm": Kind(
        {"pyproject.toml": f"{PORTAL}{NEEDS}[tool.pdm]\ndistribution = false\n", "pdm.lock": PDM_LOCK},
    ),
    "pipenv": Kind({"Pipfile": '[packages]\nfluxlit-cli = "*"\niniconfig = "*"\n', "Pipfile.lock": PIPFILE_LOCK}),
    "pylock": Kind({"pylock.toml": PYLOCK}),
    "rye": Kind(
        {
            "pyproject.toml": f"{HATCHLING}{PORTAL}{NEEDS}",
            "requirements.lock": f"-e file:.\n{LOCAL}\niniconfig==2.3.1\n",
            **PACKAGE,
        },
        imports=("portal",),
    ),
    "poetry-without-lock": Kind(
        {
            "pyproject.toml": f'{PORTAL}dynamic = ["dependencies"]\n[tool.poetry]\npackage-mode = false\n'
            f'[tool.poetry.dependencies]\nfluxlit-cli = {{ path = "wheels/{WHEEL}" }}\niniconfig = "^2.3"\n'
        }
    ),
    "conda-with-pip": Kind(
        {"environment.yml": f"dependencies:\n  - python=3.11\n  - pip\n  - pip:\n    - {LOCAL}\n    - iniconfig\n"}
    ),
    "path-as-target": Kind(
        {"requirements.txt": REQUIREMENTS, "services/web/main.py": "{app}"}, target="./services/web/main.py:app"
    ),
}

ALWAYS = ("workspace", "editable", "poetry")
"""Kinds that every run builds: one for each way to install."""

_STAND_IN = """
import http.server, importlib, os, runpy, sys

def main():
    if sys.argv[1] != "run":
        return
    place, _, name = sys.argv[2].partition(":")
    sys.path.insert(0, os.getcwd())
    found = runpy.run_path(place) if place.endswith(".py") else vars(importlib.import_module(place))
    answer = found[name]().encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

    server = http.server.HTTPServer(("127.0.0.1", int(os.environ["FLUXLIT_GATEWAY_PORT"])), Handler)
    print("ready", flush=True)
    server.serve_forever()
"""


def write(kind: Kind, folder: Path) -> None:
    """Write a project."""
    stand_in(folder / "wheels")
    app = application(kind)
    for name, content in ({"app.py": app} | dict(kind.files)).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            (folder / name).write_text(content.replace("{app}", app).replace("{wheel}", digest(folder)), newline="")


def lock(folder: Path) -> None:
    """Let uv lock a project, also if it pins another Python."""
    command = [find_uv_bin(), "lock", "--quiet", "--python", sys.executable]
    subprocess.run(command, cwd=folder, check=True)


def application(kind: Kind) -> str:
    """The application's code, which needs its dependency and own packages."""
    imports = "".join(f"import {name}\n" for name in ("iniconfig", *kind.imports))
    return f"{imports}\n\ndef app():\n    return iniconfig.IniConfig.__name__\n"


def stand_in(folder: Path) -> None:
    """Write a wheel with a command that serves."""
    info = "fluxlit_cli-1.0.0.dist-info"
    members = {
        "fluxlit_stand_in.py": _STAND_IN,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: fluxlit-cli\nVersion: 1.0.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nfluxlit = fluxlit_stand_in:main\n",
    }
    record = "".join(f"{name},,\n" for name in (*members, f"{info}/RECORD"))
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        for name, text in (members | {f"{info}/RECORD": record}).items():
            wheel.writestr(zipfile.ZipInfo(name), text)  # without a date: the same bytes each time


def digest(folder: Path) -> str:
    """SHA-256 of the wheel of a project."""
    return sha256((folder / "wheels" / WHEEL).read_bytes()).hexdigest()
