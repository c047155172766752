"""The lock files of the examples fit FluxLit as it is."""

from __future__ import annotations

import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy.examples import NAMES, PACKAGES
from tests.support.processes import ROOT


def test_both_examples_need_the_same() -> None:
    assert len({(ROOT / "examples" / name / "uv.lock").read_text() for name in NAMES}) == 1
    assert len({(ROOT / "examples" / name / "pyproject.toml").read_text() for name in NAMES}) == 1


@pytest.mark.parametrize("name", PACKAGES)
def test_the_lock_file_has_all_that_a_distribution_needs(name: str) -> None:
    """`uv lock --check` looks no further than the version."""
    lock = tomllib.loads((ROOT / "examples" / NAMES[0] / "uv.lock").read_text())
    [locked] = [package for package in lock["package"] if package["name"] == name]
    project = tomllib.loads((ROOT / "packages" / name / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(each) for each in project["dependencies"]]
    here = [each for each in wanted if each.marker is None or each.marker.evaluate({"sys_platform": "linux"})]
    needed = {canonicalize_name(each.name) for each in here}
    again = "uv lock --upgrade-package " + " --upgrade-package ".join(PACKAGES)
    assert locked["version"] == project["version"], again
    assert needed <= {each["name"] for each in locked.get("dependencies", ())}, again
