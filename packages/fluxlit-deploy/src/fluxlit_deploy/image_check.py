"""What `--check` says about a Dockerfile and a .dockerignore."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fluxlit_deploy.description import Project
from fluxlit_deploy.finding import Finding


def check(_project: Project, directory: Path) -> Iterator[Finding]:
    """Check the files of a folder; a Dockerfile that is not there is not missed."""
    if (directory / "Dockerfile").is_file() and not (directory / ".dockerignore").is_file():
        yield Finding(
            "ignore-missing",
            "error",
            ".dockerignore",
            None,
            "there is none, so that COPY takes .env, keys, the history and the environment of this machine along.",
            "Run fluxlit build, which writes one and leaves the Dockerfile as it is when you confirm nothing else.",
        )
