"""Constraints of Poetry and Pipenv mean the same as requirements."""

from __future__ import annotations

import pytest

from fluxlit_deploy.constraints import admits, python_specifier, requirement, specifier
from fluxlit_deploy.errors import DeployError


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ("^1.2.3", ">=1.2.3,<2"),
        ("^0.2.3", ">=0.2.3,<0.3"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0", ">=0,<1"),
        ("~1.2.3", ">=1.2.3,<1.3"),
        ("~1.2", ">=1.2,<1.3"),
        ("~1", ">=1,<2"),
        ("~=1.2", "~=1.2"),
        ("*", ""),
        ("1.2.*", "==1.2.*"),
        ("1.2.3", "==1.2.3"),
        ("=1.2.3", "==1.2.3"),
        (">= 1.2, < 1.5", ">=1.2,<1.5"),
        ("!=1.2", "!=1.2"),
    ],
)
def test_a_constraint_becomes_a_specifier(constraint: str, expected: str) -> None:
    assert specifier(constraint) == expected


def test_of_alternatives_the_newest_counts() -> None:
    assert python_specifier("~2.7 || ^3.11") == ">=3.11,<4"


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        ("^1.0", "a>=1.0,<2"),
        ({"version": "^1.0", "extras": ["x", "y"]}, "a[x,y]>=1.0,<2"),
        ({"version": "*", "markers": "os_name == 'nt'"}, "a ; (os_name == 'nt')"),
        ({"version": "1.0", "python": "<3.12"}, "a==1.0 ; (python_version < '3.12')"),
        ({"git": "https://git.example.com/a", "rev": "0a"}, "a @ git+https://git.example.com/a@0a"),
        ({"git": "https://git.example.com/a", "subdirectory": "b"}, "a @ git+https://git.example.com/a#subdirectory=b"),
        ({"path": "libs/a", "develop": True}, "./libs/a"),
        ({"url": "https://example.com/a.whl"}, "a @ https://example.com/a.whl"),
    ],
)
def test_a_dependency_becomes_a_requirement(described: object, expected: str) -> None:
    assert requirement("a", described, "pyproject.toml") == expected


def test_several_descriptions_of_one_are_refused() -> None:
    with pytest.raises(DeployError, match="poetry lock, pipenv lock"):
        requirement("a", [{"version": "1"}], "pyproject.toml")


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("", True),
        ("sys_platform == 'win32'", False),
        ("sys_platform == 'linux' and python_version < '3.12'", False),
        ("platform_machine == 'aarch64'", True),
        ("extra == 'web'", True),
        ("extra == 'other'", False),
    ],
)
def test_markers_are_those_of_the_image(marker: str, expected: bool) -> None:
    assert admits(marker, "3.12", ("web",)) == expected
