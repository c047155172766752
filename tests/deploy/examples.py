"""The examples that ship images, with the wheels that they expect."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from uv import find_uv_bin

from tests.support.processes import ROOT

NAMES = ("docker_compose", "kubernetes")
PACKAGES = ("fluxlit-gateway", "fluxlit-cli", "fluxlit-sessions")


def copied(name: str, folder: Path) -> Path:
    """Copy an example, and put wheels into it as its README asks."""
    copy = folder / name
    shutil.copytree(ROOT / "examples" / name, copy, ignore=shutil.ignore_patterns("__pycache__", "wheels"))
    for package in PACKAGES:
        build = ("build", "--quiet", "--wheel", "--no-create-gitignore", "--out-dir", str(copy / "wheels"))
        subprocess.run([find_uv_bin(), *build, str(ROOT / "packages" / package)], check=True, timeout=300)
    return copy
