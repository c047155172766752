"""Projects of every kind that decides what a Dockerfile looks like."""

from __future__ import annotations

from typing import Any

from fluxlit_deploy.build_table import BuildTable
from fluxlit_deploy.dependencies import Dependencies, LockKind
from fluxlit_deploy.description import Project
from fluxlit_deploy.image import files
from fluxlit_deploy.options import Options

DEPENDENCIES = {
    "uv": Dependencies(LockKind.UV, "uv.lock", ("wheels/portal.whl",), has_command=True),
    "uv-package": Dependencies(LockKind.UV, "uv.lock", installs_project=True, has_command=True),
    "hashed": Dependencies(LockKind.HASHED, "requirements.txt", has_command=True),
    "unhashed": Dependencies(LockKind.UNHASHED, "requirements.txt", ("base.txt",), has_command=True),
    "pyproject": Dependencies(LockKind.PYPROJECT, "pyproject.toml", installs_project=True, has_command=True),
    "none": Dependencies(LockKind.NONE),
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
    """A project with this lock file, this `[build]` table and this placement of the UI."""
    placed = {"streamlit_mode": mode} | settings
    return Project(
        "portal", "Costs $5", "app:app", dependencies=DEPENDENCIES[lock], build=WISHES[wish], settings=placed
    )


def dockerfile(subject: Project) -> str:
    """The Dockerfile of a project."""
    return next(file.text for file in files(subject, Options()) if file.path.name == "Dockerfile")
