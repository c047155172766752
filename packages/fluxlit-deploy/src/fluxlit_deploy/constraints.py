"""Turn the dependencies of Poetry and Pipenv into requirements (PEP 508)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from packaging.markers import InvalidMarker, Marker

from fluxlit_deploy.errors import DeployError


def specifier(constraint: str) -> str:
    """Turn a constraint of Poetry or Pipenv into a specifier (PEP 440).

    https://python-poetry.org/docs/dependency-specification/#version-constraints
    """
    parts = [each.strip() for each in constraint.split(",") if each.strip()]
    return ",".join(found for part in parts if (found := _part(part)))


def python_specifier(constraint: str) -> str:
    """Turn a constraint on Python into a specifier, by its last alternative."""
    return specifier(re.split(r"\|\|?", constraint)[-1])


def requirement(name: str, described: object, file: str) -> str:
    """Write one dependency of Poetry or Pipenv as a requirement.

    Args:
        name: name of the dependency.
        described: a constraint, or a table with ``version``, ``extras``, ``git``, ``path``, ``url`` and ``markers``.
        file: the file, for a message.

    Raises:
        DeployError: it is described in a way that is not known here.
    """
    if isinstance(described, str):
        return name + specifier(described)
    if not isinstance(described, Mapping):
        raise DeployError(
            f"{file} describes {name} in several ways, which fluxlit build does not understand. Lock the dependencies "
            f"(poetry lock, pipenv lock) and commit the lock file."
        )
    extras = f"[{','.join(described['extras'])}]" if described.get("extras") else ""
    if place := source(described):
        found = place if place.startswith(".") else f"{name}{extras} @ {place}"
    else:
        found = f"{name}{extras}{specifier(str(described.get('version', '*')))}"
    markers = [str(described[key]) for key in ("markers", "marker") if described.get(key)]
    if described.get("python"):
        versions = python_specifier(str(described["python"])).split(",")
        markers += [re.sub(r"([<>=!~]+)(.*)", r"python_version \1 '\2'", each) for each in versions if each]
    return f"{found} ; {' and '.join(f'({each})' for each in markers)}" if markers else found


def source(described: Mapping[str, Any]) -> str:
    """Return ``git+URL@REVISION``, ``./path`` or a URL; empty for an index."""
    if git := described.get("git"):
        revisions = (described.get(key) for key in ("revision", "rev", "ref", "tag", "branch"))
        revision = next((each for each in revisions if each), "")
        subdirectory = described.get("subdirectory")
        found = f"git+{git}" if not str(git).startswith("git+") else str(git)
        return found + (f"@{revision}" if revision else "") + (f"#subdirectory={subdirectory}" if subdirectory else "")
    if path := described.get("path"):
        return "./" + str(path).removeprefix("./")
    return str(described.get("url") or described.get("file") or "")


def admits(marker: str, python: str, extras: tuple[str, ...], groups: Iterable[str] = ()) -> bool:
    """Say whether a marker holds on Linux for some processor.

    Args:
        marker: the marker; empty for always.
        python: minor version of Python.
        extras: chosen extras.
        groups: chosen groups, which markers of a ``pylock.toml`` name.
    """
    if not marker:
        return True
    try:
        parsed = Marker(marker)
    except InvalidMarker:
        return True
    linux = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "python_version": python}
    linux |= {"python_full_version": f"{python}.99", "implementation_name": "cpython"}
    linux |= {"platform_python_implementation": "CPython"}
    machines = ("x86_64", "aarch64")
    chosen = {"extras": frozenset(extras), "dependency_groups": frozenset(groups)}
    return any(
        parsed.evaluate({**linux, **chosen, "platform_machine": machine, "extra": extra}, context="lock_file")
        for machine in machines
        for extra in ("", *extras)
    )


def _part(part: str) -> str:
    if part in {"*", ""}:
        return ""
    if part[0] in "^~" and part[:2] != "~=":
        return _range(part[0], part[1:].strip())
    if part[0].isdigit():
        return f"=={part}"
    return re.sub(r"^=(?!=)", "==", part).replace(" ", "")


def _range(sign: str, version: str) -> str:
    """Return the versions up to the next incompatible one."""
    numbers = [int(each) for each in re.findall(r"\d+", version.partition("-")[0])]
    if sign == "^":
        # The first number that is not zero must not change.
        fixed = next((index for index, each in enumerate(numbers) if each), len(numbers) - 1)
    else:
        fixed = min(1, len(numbers) - 1)
    upper = [*numbers[:fixed], numbers[fixed] + 1]
    return f">={version},<{'.'.join(map(str, upper))}"
