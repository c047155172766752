"""Every combination is valid, and the same bytes on every machine."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from fluxlit_deploy import generators
from tests.deploy.compose.reader import SECRETS, load
from tests.deploy.kubernetes import kustomize, schemas
from tests.deploy.matrix import FOR_KUBERNETES, MATRIX, Combination
from tests.support.processes import ROOT, clean_environ

# What no machine has in common with the next.
MACHINES: tuple[dict[str, str], ...] = (
    {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C", "HOME": "/nonexistent"},
    {"PYTHONHASHSEED": "2", "TZ": "America/Lima", "LC_ALL": "C.UTF-8", "FLUXLIT_ROOT_PATH": "/elsewhere"},
)


@cache
def accepted(text: str) -> bool:
    """Whether Compose takes a file; many combinations have the same."""
    return bool(load(text, SECRETS, "replicas"))


@pytest.mark.parametrize("case", MATRIX, ids=str)
def test_every_combination_is_valid(case: Combination, tmp_path: Path) -> None:
    files = case.files()
    for path, text in files.items():
        if path.startswith(("kubernetes/", "helm/")):
            continue
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    assert accepted(files["compose.yaml"])
    found = {each.id for each in generators.check(case.project, tmp_path) if not each.id.startswith("project-")}
    assert found == set()
    assert not any("<%" in text or text.endswith("\n\n") for text in files.values())
    assert all(text.endswith("\n") for text in files.values())


@pytest.mark.parametrize("case", FOR_KUBERNETES, ids=str)
def test_kubernetes_takes_every_placement_and_path_mode(case: Combination, tmp_path: Path) -> None:
    for path, text in case.files().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    assert [each for each in generators.check(case.project, tmp_path) if not each.id.startswith("project-")] == []
    objects = kustomize.build(tmp_path / "kubernetes" / "overlays" / "production")

    complaints = [problem for each in objects for problem in schemas.problems(each, schemas.newest_minors()[-1])]
    assert objects
    assert complaints == []


def test_every_machine_makes_the_same_bytes(tmp_path: Path) -> None:
    with ExitStack() as stack:
        command = [sys.executable, "-m", "tests.deploy.matrix"]
        running = [
            stack.enter_context(
                subprocess.Popen(
                    command, cwd=tmp_path, env=clean_environ(PYTHONPATH=str(ROOT)) | machine, stdout=subprocess.PIPE
                )
            )
            for machine in MACHINES
        ]
        answers: list[dict[str, Any]] = [json.loads(each.communicate(timeout=120)[0]) for each in running]

    assert len(answers[0]) == len(MATRIX)
    assert answers[0] == answers[1]


def test_the_placement_reaches_the_containers() -> None:
    limits = {}
    for case in MATRIX:
        described = yaml.safe_load(case.files()["compose.yaml"])
        limits[case.placement] = described["services"]["app"]["deploy"]["resources"]["limits"]["cpus"]

    assert limits == {"workers": "2", "embedded": "1", "external": "1"}
