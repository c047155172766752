"""The table ``[build]`` of the project file.

Its subtables belong to the generators of their names, which check them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fluxlit_deploy.errors import DeployError

# Debian policy 5.6.1, and a version after "=" as apt-get understands it.
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+~:-]+)?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]*(@sha256:[0-9a-f]{64})?")


@dataclass(frozen=True)
class BuildTable:
    """Content of ``[build]`` (``[tool.fluxlit.build]`` in pyproject.toml).

    Attributes:
        system_packages: Debian packages that the running application needs.
        build_packages: Debian packages that only the installation of dependencies needs.
        index_url: address of a package index that replaces the public one, without credentials.
        base_image: image to build on and to run on, instead of the official Python image.
        runtime_image: image to run on where it differs from `base_image`, for instance one without a shell.
        extras: extras of the project to install.
        groups: groups of dependencies to install besides the main one.
        requirements: the requirements file to install, for a project with several.
        package: the member of a uv workspace to install.
        kubernetes: the subtable of `fluxlit_deploy.kubernetes`, unchecked.
        edge: the subtable of `fluxlit_deploy.edges`, unchecked.
        compose: the subtable of `fluxlit_deploy.compose`, unchecked.
    """

    system_packages: tuple[str, ...] = ()
    build_packages: tuple[str, ...] = ()
    index_url: str | None = None
    base_image: str | None = None
    runtime_image: str | None = None
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    requirements: str = ""
    package: str = ""
    kubernetes: Mapping[str, Any] = field(default_factory=dict)
    edge: Mapping[str, Any] = field(default_factory=dict)
    compose: Mapping[str, Any] = field(default_factory=dict)


def build_table(found: Mapping[str, Any]) -> BuildTable:
    """Check a ``[build]`` table.

    Args:
        found: ``file``, ``table`` and ``values`` as they were read, or nothing.

    Raises:
        DeployError: the table holds what it must not.
    """
    if not found:
        return BuildTable()
    place = f"{Path(str(found['file'])).name}, [{found['table']}]"
    values = found["values"]
    if not isinstance(values, dict):
        raise DeployError(f'{place} must be a table, as in: [{found["table"]}] system_packages = ["libpq5"].')
    checks = {each.name: _CHECKS.get(each.name, _text) for each in fields(BuildTable)}
    for key in values:
        if key not in checks:
            close = difflib.get_close_matches(key, checks, n=1)
            advice = f"did you mean {close[0]}?" if close else f"there are {', '.join(checks)}."
            raise DeployError(f"{place}: unknown key {key}; {advice}")
    checked: dict[str, Any] = {key: checks[key](place, key, value) for key, value in values.items()}
    return BuildTable(**checked)


def _packages(place: str, key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DeployError(f'{place}: {key} must be a list of names, such as ["libpq5"].')
    for item in value:
        if not PACKAGE.fullmatch(item):
            raise DeployError(f'{place}: {key} holds "{item}", which is no name of a Debian package.')
    return tuple(sorted(set(value)))


def _subtable(place: str, key: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise DeployError(f"{place}: {key} must be a table of its own.")
    return value


def _names(place: str, key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and _NAME.fullmatch(item) for item in value):
        raise DeployError(f'{place}: {key} must be a list of names, such as ["web"].')
    return tuple(sorted(set(value)))


def _name(place: str, key: str, value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]*", value) or ".." in value:
        raise DeployError(f"{place}: {key} must be a name, or a path below the project, not {value!r}.")
    return value


_CHECKS: Mapping[str, Callable[[str, str, object], Any]] = {
    "system_packages": _packages,
    "build_packages": _packages,
    "extras": _names,
    "groups": _names,
    "requirements": _name,
    "package": _name,
    "kubernetes": _subtable,
    "edge": _subtable,
    "compose": _subtable,
}


def _text(place: str, key: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise DeployError(f"{place}: {key} must be a non-empty string.")
    if key.endswith("_image"):
        if not _IMAGE.fullmatch(value):
            raise DeployError(f'{place}: {key} is "{value}", which is no reference to an image.')
        return value
    parts = urlsplit(value)
    if parts.scheme not in {"https", "http"} or not parts.hostname or re.search(r"[\s\"'\\$]", value):
        raise DeployError(f"{place}: {key} must be the https address of a package index.")
    if parts.username or parts.password:
        raise DeployError(
            f"{place}: {key} must not hold a user name or a password, because it becomes part of the image. "
            f"Put them into a netrc file and pass that at build time: docker build --secret id=netrc,src=$HOME/.netrc ."
        )
    return value
