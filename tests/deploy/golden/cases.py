"""The combinations with golden files, by `scripts/write_golden.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fluxlit_deploy.build_table import BuildTable
from fluxlit_deploy.description import Project
from fluxlit_deploy.edges import edge_files
from fluxlit_deploy.generators import generate
from fluxlit_deploy.options import EDGES, Edge, Options
from tests.deploy.projects import DEPENDENCIES, dockerfile, project

FOLDER = Path(__file__).parent
_PINNED = {"image": f"registry.test/p@sha256:{'ab' * 32}", "host": "portal.test"}
_CLUSTERS: dict[str, dict[str, Any]] = {"plain": {}, "everything": {"redis": "operator", "affinity": "istio"}}
_RICH_EDGE = {"tls": True, "affinity": True, "host": "portal.test", "upstreams": ["10.0.0.1:8000", "10.0.0.2:8000"]}


def golden_files() -> dict[str, str]:
    """Every file of the main combinations, by its path in this folder."""
    found = {f"docker-{lock}": dockerfile(project(lock)) for lock in DEPENDENCIES}
    found["docker-everything"] = _files(project("uv", "everything", session_store="sqlite:///data/a.db"), Options())
    for name, table in _CLUSTERS.items():
        subject = Project(
            "portal", "Admin portal", "app:app", build=BuildTable(kubernetes=table | _PINNED),
            settings={"root_path": "/portal"},
        )  # fmt: skip
        found[f"kubernetes-{name}"] = _files(subject, Options(image=False, kubernetes=True, helm=True))
    for edge in EDGES:
        found[f"compose-{edge}"] = _files(
            project("uv", root_path="/portal"), Options(image=False, compose=True, edge=edge)
        )
        found[f"edge-{edge}"] = _edge(edge)
    return {f"{name}.txt": text for name, text in found.items()}


def _files(subject: Project, options: Options) -> str:
    return "".join(f"=== {file.path}\n{file.text}" for file in generate(subject, options))


def _edge(edge: Edge) -> str:
    table = _RICH_EDGE | {"certificate": "/srv/edge.crt"}
    subject = Project("portal", "Portal", "app:app", build=BuildTable(edge=table), settings={"root_path": "/portal"})
    return "".join(f"=== {file.path}\n{file.text}" for file in edge_files(subject, Options(edge=edge)))
