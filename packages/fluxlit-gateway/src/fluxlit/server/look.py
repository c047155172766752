"""The look of system pages, from the settings and Streamlit's theme."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from fluxlit._internal.system_page import DEFAULT, Look, colours, faults
from fluxlit.errors import FluxLitError
from fluxlit.settings import Settings


def read_look(settings: Settings, project: Path) -> Look:
    """Return title, icon and colours of the application.

    Args:
        settings: the effective settings.
        project: folder of the project, with ``.streamlit``. A theme that cannot be read is left out: Streamlit reports
            it.

    Raises:
        FluxLitError: the template is wrong, with file and line.
    """
    theme = _theme(project / ".streamlit" / "config.toml")
    for key, value in settings.streamlit_options.items():
        parts = key.split(".")
        if parts[0] == "theme" and len(parts) == 2:
            theme[parts[1]] = value
        elif parts[0] == "theme" and len(parts) == 3 and parts[1] in {"light", "dark"}:
            theme[parts[1]] = {**theme.get(parts[1], {}), parts[2]: value}
    light, dark = colours(theme)
    icon = settings.streamlit_page_config.get("page_icon", "")
    shown = icon if isinstance(icon, str) and not icon.isascii() else ""
    template = _template(settings.system_page_template, project)
    return Look(settings.title, shown, light, dark, template, f"{settings.root_path}/")


def _template(name: str | None, project: Path) -> Template:
    if name is None:
        return DEFAULT
    file = project / name
    try:
        text = file.read_text("utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise FluxLitError(f"system_page_template: {file} cannot be read: {why}.") from None
    if wrong := "\n".join(f"{file}:{line}: {problem}" for line, problem in faults(text)):
        raise FluxLitError(f"system_page_template cannot be used:\n{wrong}")
    return Template(text)


def _theme(file: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(file.read_text("utf-8")).get("theme", {})
    except (OSError, ValueError):
        return {}
    return dict(found) if isinstance(found, Mapping) else {}
