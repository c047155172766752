"""Charts rendered without Helm, on Go's own template engine."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jsonschema
import yaml

from tests.support.kept import kept

GO = Path(sys.executable).with_name("go")
SOURCE = Path(__file__).with_name("render.go")


class ChartError(Exception):
    """The chart refuses its values."""


@cache
def engine() -> Path:
    """The compiled engine."""
    version = subprocess.run([GO, "version"], check=True, capture_output=True, timeout=60).stdout
    digest = hashlib.sha256(version + SOURCE.read_bytes()).hexdigest()
    return kept(f"helm-engine-{digest[:12]}", _compile) / "render"


def _compile(folder: Path) -> None:
    with TemporaryDirectory() as home:
        environ = os.environ | {"GOCACHE": f"{home}/cache", "GOFLAGS": "", "HOME": home, "GOTOOLCHAIN": "local"}
        # Go's own packages are compiled, too; without inlining that takes two thirds of the time.
        command = [str(GO), "build", "-gcflags=all=-l", "-o", str(folder / "render"), str(SOURCE)]
        subprocess.run(command, env=environ, check=True, timeout=300)


def values_of(chart: Path, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """The chart's values with changes, checked by the chart's schema."""
    merged = merge(yaml.safe_load((chart / "values.yaml").read_text()), changes or {})
    schema = json.loads((chart / "values.schema.json").read_text())
    if found := [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(merged)]:
        raise ChartError("; ".join(found))
    return merged


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Tables are joined, everything else replaced."""
    deeper = {
        key: merge(below[key], value)
        for key, value in above.items()
        if isinstance(value, dict) and isinstance(below.get(key), dict)
    }
    return below | above | deeper


def template(chart: Path, changes: dict[str, Any] | None = None, name: str = "portal") -> list[dict[str, Any]]:
    """The objects that `helm template` would print."""
    texts = rendered(chart, changes, name)
    documents = [text for path, text in sorted(texts.items()) if path.endswith(".yaml")]
    return [each for text in documents for each in yaml.safe_load_all(text) if each]


def rendered(chart: Path, changes: dict[str, Any] | None = None, name: str = "portal") -> dict[str, str]:
    """Every template, rendered, by its path."""
    templates = {f"chart/templates/{path.name}": path.read_text() for path in (chart / "templates").iterdir()}
    asked = {"name": name, "namespace": "web", "values": values_of(chart, changes), "templates": templates}
    done = subprocess.run([engine()], input=json.dumps(asked), capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise ChartError(done.stderr)
    texts: dict[str, str] = json.loads(done.stdout)
    return texts
