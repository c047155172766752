"""Dependencies that an image is not made of: conda, pixi, script blocks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.text import read_text, read_toml

CONDA_FILES = ("environment.yml", "environment.yaml", "conda.yml", "conda.yaml")

# What conda installs and every image has.
_BASICS = frozenset({"python", "pip", "setuptools", "wheel"})
_SCRIPT_BLOCK = re.compile(rb"^# /// script\s*$", re.MULTILINE)


def conda_dependencies(directory: Path) -> tuple[str, list[str], list[str]]:
    """Return the file for conda, its own names and requirements for pip.

    Without such a file all three are empty.

    Raises:
        DeployError: the file cannot be read.
    """
    file = next((each for each in CONDA_FILES if (directory / each).is_file()), "")
    if not file:
        return "", [], []
    try:
        listed = (yaml.safe_load(read_text(directory / file)) or {}).get("dependencies") or []
    except (yaml.YAMLError, AttributeError):
        raise DeployError(f"{file} cannot be read.") from None
    lines = [str(line) for each in listed if isinstance(each, dict) for line in each.get("pip") or []]
    return file, _foreign(str(each) for each in listed if isinstance(each, str)), lines


def pixi_dependencies(directory: Path, project: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the file of pixi and the conda packages that it names.

    Raises:
        DeployError: the file cannot be read.
    """
    own = (directory / "pixi.toml").is_file()
    table = read_toml(directory / "pixi.toml") if own else project.get("tool", {}).get("pixi", {})
    if not table:
        return "", []
    return "pixi.toml" if own else "pyproject.toml", _foreign(table.get("dependencies", {}))


def unread(directory: Path, project: Mapping[str, Any]) -> Iterator[str]:
    """Yield what names dependencies and is not read, with what to do."""
    file, _ = pixi_dependencies(directory, project)
    if file:
        yield f"{file} is for pixi, and the image installs from a Python package index. {_LIST}"
    if groups := project.get("dependency-groups"):
        first = next(iter(groups))
        yield (
            f"pyproject.toml has dependencies in groups only ({', '.join(groups)}). Name those of the image in the "
            f'project file, as in: [build] groups = ["{first}"].'
        )
    if project.get("tool", {}).get("hatch", {}).get("envs"):
        yield f"pyproject.toml names dependencies for environments of Hatch only. {_LIST}"
    for path in sorted(directory.glob("*.py")):
        if _SCRIPT_BLOCK.search(path.read_bytes()):
            yield (
                f"{path.name} names its dependencies in a script block, which only uv run reads. Write a requirements "
                f"file of them: uv export --script {path.name} --output-file requirements.txt."
            )


_LIST = (
    "List the dependencies under [project] in pyproject.toml or in requirements.txt by their names there, and "
    "libraries of the system in system_packages of [build]."
)


def conda_error(file: str, foreign: list[str]) -> DeployError:
    """Return the error for an environment that needs conda."""
    return DeployError(
        f"{file} is for conda, and the image installs from a Python package index. {_LIST} Only conda names: "
        f"{', '.join(foreign) or 'nothing that is needed'}."
    )


def _foreign(specs: Iterable[str]) -> list[str]:
    names = (re.split(r"[=<>!~\s\[]", str(each).rpartition("::")[2], maxsplit=1)[0] for each in specs)
    return [name for name in names if name not in _BASICS]
