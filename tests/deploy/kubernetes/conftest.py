"""Manifests and charts, written where the tools expect them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fluxlit_deploy.build_table import BuildTable
from fluxlit_deploy.description import Project
from fluxlit_deploy.file import File
from fluxlit_deploy.kubernetes import chart_files, manifest_files
from fluxlit_deploy.options import Options, PathMode

Write = Callable[..., Path]


def project(table: dict[str, Any] | None = None, **settings: Any) -> Project:
    """A project with these settings and this ``[build.kubernetes]``."""
    return Project("portal", "Admin portal", "app:app", settings=settings, build=BuildTable(kubernetes=table or {}))


def generated(table: dict[str, Any] | None = None, path_mode: PathMode | None = None, **settings: Any) -> list[File]:
    """Manifests and chart."""
    subject, options = project(table, **settings), Options(path_mode=path_mode)
    return [*manifest_files(subject, options), *chart_files(subject, options)]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes what `generated` makes."""

    def into(*arguments: Any, **settings: Any) -> Path:
        for file in generated(*arguments, **settings):
            path = tmp_path / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text)
        return tmp_path

    return into
