"""Whether a project can be built as a package by its build backend.

Many projects have a ``[build-system]`` that has never built anything: an application runs from its folder. Where the
backend would find no package, or too many, the image goes without that step.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.text import read_text

# Folders that the automatic discovery of setuptools passes over (setuptools.discovery.FlatLayoutPackageFinder).
_NOT_PACKAGES = re.compile(
    r"_.*|bin|ci|debian|docs?|documentation|manpages|news|newsfragments|changelog|(unit_?)?tests?|examples?|scripts"
    r"|tools|utils?|python|build|benchmarks?|exercises?|htmlcov|dist|requirements|v?env|node_modules|site_scons"
    r"|(task|fab|tox|nox)file|tasks|conftest|setup"
)


def is_package(directory: Path, project: Mapping[str, Any]) -> bool:
    """Say whether the build backend would find the code of the project.

    Args:
        directory: the project's folder.
        project: its `pyproject.toml`.
    """
    setup = (directory / "setup.py").is_file()
    poetry = project.get("tool", {}).get("poetry", {})
    name = str(project.get("project", {}).get("name") or poetry.get("name") or _setup_name(directory))
    if not (setup or ("build-system" in project and name)):
        return False
    backend = str(project.get("build-system", {}).get("build-backend", "setuptools.build_meta"))
    kind = re.match(r"[A-Za-z]+", backend)
    finds = _BACKENDS.get(kind[0] if kind else "", _anything)
    return finds(directory, project.get("tool", {}), name)


def version_argument(project: Mapping[str, Any]) -> str:
    """Return the variable that replaces a version out of Git, if any."""
    requires = " ".join(map(str, project.get("build-system", {}).get("requires", [])))
    if re.search(r"setuptools[-_]scm|hatch-vcs", requires):
        return "SETUPTOOLS_SCM_PRETEND_VERSION"
    return "POETRY_DYNAMIC_VERSIONING_BYPASS" if "poetry-dynamic-versioning" in requires else ""


def _anything(_directory: Path, _tool: Mapping[str, Any], _name: str) -> bool:
    return True


def _poetry(directory: Path, tool: Mapping[str, Any], name: str) -> bool:
    table = tool.get("poetry", {})
    return table.get("package-mode", True) is not False and (bool(table.get("packages")) or _named(directory, name))


def _hatchling(directory: Path, tool: Mapping[str, Any], name: str) -> bool:
    table = tool.get("hatch", {}).get("build", {})
    return bool(table.get("targets", {}).get("wheel") or set(table) - {"targets"}) or _named(directory, name)


def _flit(directory: Path, tool: Mapping[str, Any], name: str) -> bool:
    return _named(directory, str(tool.get("flit", {}).get("module", {}).get("name", name)))


def _uv(directory: Path, tool: Mapping[str, Any], name: str) -> bool:
    return bool(tool.get("uv", {}).get("build-backend")) or _named(directory, name)


def _named(directory: Path, name: str) -> bool:
    module = canonicalize_name(name).replace("-", "_")
    names = {module, name, name.replace("-", "_")}
    places = [root / each for root in (directory, directory / "src") for each in names]
    return any((place / "__init__.py").is_file() or place.with_suffix(".py").is_file() for place in places)


def _setup_name(directory: Path) -> str:
    return _setup_cfg(directory).get("metadata", "name", fallback="")


def _setup_cfg(directory: Path) -> configparser.ConfigParser:
    found = configparser.ConfigParser(interpolation=None)
    try:
        if (directory / "setup.cfg").is_file():
            found.read_string(read_text(directory / "setup.cfg"))
    except configparser.Error as error:
        raise DeployError(f"setup.cfg cannot be read: {error}.") from None
    return found


def _setuptools(directory: Path, tool: Mapping[str, Any], _name: str) -> bool:
    options, setup = _setup_cfg(directory), directory / "setup.py"
    named = bool({"packages", "py-modules"} & set(tool.get("setuptools", {})))
    named = named or any(options.has_option("options", each) for each in ("packages", "py_modules"))
    named = named or (setup.is_file() and re.search(r"\b(packages|py_modules)\s*=", read_text(setup)) is not None)
    if named or (directory / "src").is_dir():
        return True
    names = [path.name for path in directory.iterdir() if path.is_dir() and path.name.isidentifier()]
    packages = [name for name in names if not _NOT_PACKAGES.fullmatch(name)]
    modules = [path for path in directory.glob("*.py") if not _NOT_PACKAGES.fullmatch(path.stem)]
    return len(packages) == 1 or (not packages and len(modules) <= 1)


_BACKENDS: Mapping[str, Callable[[Path, Mapping[str, Any], str], bool]] = {
    "setuptools": _setuptools,
    "poetry": _poetry,
    "hatchling": _hatchling,
    "flit": _flit,
    "uv": _uv,
}
