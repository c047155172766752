"""Projects of every kind that decides what a Dockerfile looks like."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fluxlit_deploy.build_table import BuildTable
from fluxlit_deploy.dependencies import Dependencies, LockKind
from fluxlit_deploy.description import Project
from fluxlit_deploy.image import files
from fluxlit_deploy.options import Options

_UV = Dependencies(LockKind.UV, "uv.lock", has_command=True, has_redis=True)
DEPENDENCIES = {
    "uv": replace(_UV, local=("wheels/portal.whl",)),
    "uv-package": replace(_UV, installs_project=True),
    "uv-folders": replace(_UV, folders=("lib",), installs_project=True),
    "uv-checkout": replace(_UV, folders=("fluxlit-cli", "lib")),
    "hashed": replace(_UV, kind=LockKind.HASHED, file="requirements.txt"),
    "unhashed": replace(_UV, kind=LockKind.UNHASHED, file="requirements.txt", local=("base.txt",)),
    "pyproject": replace(_UV, kind=LockKind.PYPROJECT, file="pyproject.toml", installs_project=True),
    "converted": replace(
        _UV,
        kind=LockKind.HASHED,
        file="poetry.lock",
        generated="httpx==1 \\\n    --hash=sha256:aa\n",
        digests=(("poetry.lock", "ab" * 32),),
    ),
    "source": replace(_UV, kind=LockKind.SOURCE, file="setup.py", needs_source=True, git=True),
}

WISHES = {
    "plain": BuildTable(),
    "everything": BuildTable(
        system_packages=("libpq5",),
        build_packages=("gcc", "libpq-dev"),
        index_url="https://packages.example.com/simple",
        base_image="registry.example.com/python:3.12",
        runtime_image="registry.example.com/python-without-shell:3.12",
    ),
}

MODES = ("workers", "embedded", "external")


def project(lock: str = "uv", wish: str = "plain", mode: str = "workers", **settings: Any) -> Project:
    """A project with this lock file, this `[build]` and this mode of the UI."""
    placed = {"streamlit_mode": mode} | settings
    return Project(
        "portal", "Costs $5", "app:app", dependencies=DEPENDENCIES[lock], build=WISHES[wish], settings=placed
    )


def dockerfile(subject: Project) -> str:
    """The Dockerfile of a project."""
    return next(file.text for file in files(subject, Options()) if file.path.name == "Dockerfile")
