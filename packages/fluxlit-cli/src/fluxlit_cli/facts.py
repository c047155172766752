"""A description of a project as JSON, for other programs.

`fluxlit build` runs `python -m fluxlit_cli.facts [TARGET]` in a process of its own, because the description needs the
application to be imported and must not depend on the machine: no `.env`, and only the environment that the caller
passes on. Secrets and passwords in URLs are left out.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fluxlit.errors import FluxLitError
from fluxlit.settings import Resolved, describe, resolve, resolve_target
from fluxlit.settings.project_file import ProjectFile, find_project_file
from fluxlit.settings.target import DEFAULT_TARGET, load

_PASSWORD = re.compile(r"://[^/@\s]*@")


def facts(target: str | None) -> dict[str, Any]:
    """Describe the project in the working directory.

    Raises:
        FluxLitError: a setting is invalid, or the target cannot be imported.
    """
    found = resolve_target(flags={"target": target} if target else {})
    named = found.target
    application: Any = load(named or DEFAULT_TARGET, found.directory)
    resolved = resolve(arguments=application.setting_arguments, dotenv=False)
    return {
        "target": named or application.import_target or DEFAULT_TARGET,
        "root": str(resolved.project_root),
        "settings": _settings(resolved),
        "login": bool(application.authenticators),
        "has_ui": application.has_ui,
        "build": _build(find_project_file(Path.cwd())),
    }


def _settings(resolved: Resolved) -> dict[str, Any]:
    # A word such as "auto" means something else on each machine: keep the word.
    values = resolved.settings.model_dump(mode="json") | dict(resolved.words)
    shown = {name: value for name, value in values.items() if not describe.is_secret(name)}
    return {name: _PASSWORD.sub("://***@", value) if isinstance(value, str) else value for name, value in shown.items()}


def _build(file: ProjectFile) -> dict[str, Any]:
    if "build" not in file.others or file.path is None:
        return {}
    return {"file": str(file.path), "table": ".".join((*file.table, "build")), "values": file.others["build"]}


def main(arguments: Sequence[str]) -> int:
    """Print the facts, or ``{"error": message}`` with exit code 1."""
    # Output that the application prints during its import must not get into the result.
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        found = facts(arguments[0] if arguments else None)
    except FluxLitError as error:
        found = {"error": str(error)}
    with stream:
        json.dump(found, stream, default=str)
    return 1 if "error" in found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
