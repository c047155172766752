"""A Compose file, read as Compose reads it.

`compose-spec.json` is the schema of the Compose Specification, under the licence beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from fluxlit_deploy.build_table import BuildTable
from fluxlit_deploy.compose import compose_files
from fluxlit_deploy.description import Project
from fluxlit_deploy.options import Edge, Options, PathMode

SECRETS = {"FLUXLIT_SECRET_KEY": "k" * 32, "REDIS_PASSWORD": "p" * 32}

# https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md, without nesting.
_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?:(?P<kind>:?[-?])(?P<word>[^}]*))?\}|(?P<bare>\w+))")


class ComposeError(Exception):
    """Compose would refuse this."""


def generated(
    edge: Edge | None = None, mode: PathMode | None = None, build: BuildTable | None = None, **settings: Any
) -> dict[str, str]:
    """The files of `fluxlit build --compose` by their paths."""
    project = Project("portal", "Portal", "app:app", build=build or BuildTable(), settings=settings)
    files = compose_files(project, Options(compose=True, edge=edge, path_mode=mode))
    return {str(file.path): file.text for file in files}


def load(text: str, environ: Mapping[str, str], *profiles: str) -> dict[str, Any]:
    """Read a Compose file.

    Raises:
        ComposeError: as Compose would.
    """
    found: dict[str, Any] = filled_in(yaml.safe_load(text), environ)
    if complaints := problems(found):
        raise ComposeError("; ".join(complaints))
    services = found["services"]
    kept = {
        name: each for name, each in services.items() if not each.get("profiles") or {*profiles} & {*each["profiles"]}
    }
    for name, each in kept.items():
        for other, how in each.get("depends_on", {}).items():
            if other not in kept and how.get("required", True):
                raise ComposeError(f"{name} depends on {other}, which no profile brings")
    return found | {"services": kept}


def filled_in(value: Any, environ: Mapping[str, str]) -> Any:
    """Fill in variables in every value, never in a key."""
    if isinstance(value, dict):
        return {key: filled_in(each, environ) for key, each in value.items()}
    if isinstance(value, list):
        return [filled_in(each, environ) for each in value]
    return _VARIABLE.sub(lambda match: _filled(match, environ), value) if isinstance(value, str) else value


def _filled(match: re.Match[str], environ: Mapping[str, str]) -> str:
    if match["dollar"]:
        return "$"
    name, kind, word = match["name"] or match["bare"], match["kind"] or "", match["word"] or ""
    value = environ.get(name)
    missing = not value if kind.startswith(":") else value is None
    if missing and kind.endswith("?"):
        raise ComposeError(f"required variable {name} is missing a value: {word}")
    return word if missing and kind.endswith("-") else value or ""


@cache
def _validator() -> Any:
    schema = json.loads(Path(__file__).with_name("compose-spec.json").read_text("utf-8"))
    return jsonschema.Draft7Validator(schema)


def problems(found: dict[str, Any]) -> list[str]:
    """What is wrong by the schema, and what refers to nothing."""
    by_schema = [
        f"{'/'.join(map(str, each.absolute_path))}: {each.message}" for each in _validator().iter_errors(found)
    ]
    return by_schema or list(_dangling(found))


def _dangling(found: dict[str, Any]) -> Iterator[str]:
    services = found["services"]
    for name, each in services.items():
        yield from (f"{name}: no service {other}" for other in each.get("depends_on", {}) if other not in services)
        yield from (f"{name}: no network {net}" for net in each.get("networks", []) if net not in found["networks"])
        for volume in each.get("volumes", []):
            source = volume.partition(":")[0]
            if not source.startswith((".", "/")) and source not in found["volumes"]:
                yield f"{name}: no volume {source}"
        build = each.get("build") or {}
        yield from (
            f"{name}: no secret {one}" for one in build.get("secrets", []) if one not in found.get("secrets", {})
        )
