"""The pages as deterministic data for other tools."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import PydanticUserError, TypeAdapter

from fluxlit.pages.marker import MISSING
from fluxlit.pages.plan import Input, Needed, Plan
from fluxlit.pages.record import PageRecord
from fluxlit.pages.registry import PageRegistry
from fluxlit.pages.source import name_of

VERSION = 1


def manifest(registry: PageRegistry, *, title: str = "", root: Path | None = None) -> dict[str, Any]:
    """All pages in the order of the navigation, as JSON values.

    Args:
        registry: the pages.
        title: the application's title.
        root: folder that script paths are given relative to; by default the working directory.
    """
    landing = registry.landing
    return {
        "manifest_version": VERSION,
        "title": title,
        "pages": [_page(record, landing=record is landing, root=root or Path.cwd()) for record in registry.records],
    }


def manifest_json(registry: PageRegistry, *, title: str = "", root: Path | None = None) -> str:
    """The manifest as indented JSON text that ends with a line break."""
    return json.dumps(manifest(registry, title=title, root=root), indent=2, ensure_ascii=False) + "\n"


def _page(record: PageRecord, *, landing: bool, root: Path) -> dict[str, Any]:
    return {
        "path": record.path,
        "title": record.title,
        "description": record.description,
        "source": _source(record, root),
        "landing": landing,
        "hidden": record.hidden,
        "section": record.section,
        "order": record.order,
        "icon": record.icon,
        "layout": record.layout,
        "initial_sidebar_state": record.initial_sidebar_state,
        "tags": list(record.tags),
        "public": record.public,
        "roles": sorted(record.roles),
        "inputs": _inputs(record.plan) if record.plan else [],
        "dependencies": sorted(set(_dependencies(record.plan))) if record.plan else [],
    }


def _source(record: PageRecord, root: Path) -> str:
    if record.function is not None:
        return name_of(record.function)
    assert record.script is not None
    return Path(os.path.relpath(record.script, root)).as_posix()


def _inputs(plan: Plan) -> list[dict[str, Any]]:
    described = {(wanted.place.value, wanted.name): _input(wanted) for wanted in plan.inputs()}
    return [described[key] for key in sorted(described)]


def _input(wanted: Input) -> dict[str, Any]:
    return {
        "in": wanted.place.value,
        "name": wanted.name,
        "required": wanted.default is MISSING,
        "description": wanted.description,
        "schema": _schema(wanted.adapter),
    }


def _schema(adapter: TypeAdapter[Any]) -> dict[str, Any]:
    try:
        return adapter.json_schema()
    except PydanticUserError:  # a type with a validator but no JSON form
        return {}


def _dependencies(plan: Plan) -> Iterator[str]:
    for argument in plan.arguments:
        if isinstance(argument.source, Needed):
            yield name_of(argument.source.plan.call)
            yield from _dependencies(argument.source.plan)
