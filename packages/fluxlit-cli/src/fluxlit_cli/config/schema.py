"""The JSON Schema of the project file, made from the declarations of the settings."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from fluxlit.settings import Settings, describe

# What editors' TOML language servers (Taplo, Tombi) understand best.
DIALECT = "http://json-schema.org/draft-07/schema#"
_TYPES = {"bool": "boolean", "int": "integer", "float": "number", "list": "array", "table": "object"}


def schema() -> dict[str, Any]:
    """Return a schema that a `fluxlit.toml` is valid against if each of its values is right by itself."""
    return {
        "$schema": DIALECT,
        "title": "fluxlit.toml",
        "description": "Settings of a FluxLit application.",
        "type": "object",
        "additionalProperties": False,
        "properties": {setting: _property(setting) for setting in describe.SETTINGS},
    }


def schema_text() -> str:
    """Return the schema as indented JSON that ends with a line break."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _property(setting: str) -> dict[str, Any]:
    field = Settings.model_fields[setting]
    described = {"description": re.sub(r"\s+", " ", field.description or ""), **_form(setting)}
    if not describe.is_secret(setting) and field.default is not None:
        described["default"] = json.loads(json.dumps(field.default))
    return described


def _form(setting: str) -> Mapping[str, Any]:
    kind = describe.kind(setting)
    if kind == "choice":
        return {"enum": list(describe.choices(setting))}
    form: dict[str, Any] = {"type": _TYPES.get(kind, "string"), **describe.limits(setting)}
    if kind == "list":
        # One text in comma form is a list, too.
        return {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]}
    if word := describe.facts(setting).get("word"):
        return {"anyOf": [form, {"const": word}]}
    return form
