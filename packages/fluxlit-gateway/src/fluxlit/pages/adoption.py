"""Loading of any target: FluxLit, FastAPI, a Streamlit script, a folder.

A Streamlit script is recognised by its imports and never imported, because it would draw its page. What is no FluxLit
object is wrapped in one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from fluxlit.errors import TargetError
from fluxlit.observability.logs.bare_mode import BARE_MODE
from fluxlit.pages.app_definition import AppDefinition
from fluxlit.pages.asgi_api import is_api, is_asgi
from fluxlit.settings.target import (
    DEFAULT_ATTRIBUTE,
    DEFAULT_TARGET,
    Target,
    import_errors,
    is_application,
    is_streamlit_app,
)

NAMES = ("app.py", "main.py", "api.py", "streamlit_app.py")
"""Files in which an application is looked for, in this order."""

FOLDERS = (".", "app", "src")
"""Folders in which they are looked for."""

_ATTRIBUTES = (DEFAULT_ATTRIBUTE, "application", "api")
_DRAWING = (
    "{} calls Streamlit outside of a page, where nothing is shown. Move the call into a function under "
    "@app.page(path), or register the file: app.page(path, script=...)."
)
_IMPORT = re.compile(rb"(?m)^\s*(?:import|from)\s+(fluxlit|fastapi|streamlit)\b")
# Streamlit's ASGI application, for which `streamlit run` looks too: its file is no script.
_STREAMLIT_APP = re.compile(
    rb"(?m)^\s*from\s+streamlit(?:\.[\w.]+)?\s+import\s+(?:\([^)]*|[^\n(]*)\bApp\b|=\s*(?:\w+\.)*(?:st|streamlit|starlette)\.App\("
)


@dataclass(frozen=True)
class Loaded:
    """An application and its target.

    Attributes:
        application: the FluxLit object, the user's own or one around what was found.
        target: loads it again; workers import a FluxLit object from it.
        adopted: what was wrapped, for people; empty for a FluxLit object.
        warning: what its module does without effect, for people; mostly empty.
    """

    application: Any
    target: str
    adopted: str = ""
    warning: str = ""


def load_any(target: str | None, directory: Path | None = None) -> Loaded:
    """Load the application of a target.

    Args:
        target: ``module:attribute``, a file, or a folder; `None` for the working directory.
        directory: where its module is; `None` for the working directory.

    Raises:
        TargetError: there is no application, or its import failed.
    """
    if target is None or Path(target).is_dir():
        return _in_folder(Path(target or "."))
    file = Path(target)
    if file.suffix == ".py" and file.is_file() and kind_of(file) == "streamlit":
        return _script(file, target)
    return _in_module(target, directory=directory)


def kind_of(file: Path) -> str:
    """Return what makes the application, or is it.

    Returns:
        ``fluxlit``, ``fastapi``, ``streamlit`` for a script, ``streamlit.App``, or an empty string.
    """
    source = file.read_bytes()
    found = {match.decode() for match in _IMPORT.findall(source)}
    if "fluxlit" in found:
        return "fluxlit"
    if "fastapi" in found and b"FastAPI(" in source:
        return "fastapi"
    if "streamlit" in found:
        return "streamlit.App" if _STREAMLIT_APP.search(source) else "streamlit"
    return ""


def _in_folder(root: Path) -> Loaded:
    """Find a FluxLit object, else a script and an API that stand side by side."""
    kinds: dict[str, Path] = {}
    for folder in FOLDERS:
        for name in NAMES:
            if (file := root / folder / name).is_file():
                kinds.setdefault(kind_of(file), file)
    alone = kinds.get("") if len(kinds) == 1 else None
    if whole := kinds.get("fluxlit") or kinds.get("streamlit.App") or alone:
        target = Target.parse(str(whole))
        return _in_module(target.module if target.directory == Path.cwd().resolve() else str(whole))
    script, service = kinds.get("streamlit"), kinds.get("fastapi")
    if service is None and script is None:
        raise TargetError(
            DEFAULT_TARGET,
            f"There is no application in {root.resolve()}: none of {', '.join(NAMES)}, nor in its folders app and src. "
            f"Create a project there with `fluxlit new .`, or name the file: fluxlit dev path/to/file.py.",
        )
    if service is None:
        assert script is not None
        return _script(script, str(root))
    api = _in_module(str(service), str(root))
    if script is None or not api.adopted:
        return api
    both = AppDefinition(api=api.application.served_api, ui=script.resolve())
    return Loaded(both, str(root), f"Streamlit script {script}, {api.adopted}")


def _script(file: Path, target: str) -> Loaded:
    return Loaded(AppDefinition(ui=file.resolve()), target, f"Streamlit script {file}")


def _in_module(text: str, source: str = "", directory: Path | None = None) -> Loaded:
    """Load a module's application.

    Args:
        text: ``module:attribute`` or a file.
        source: the target of what has to be wrapped; by default `text`.
        directory: where the module is.
    """
    head, _, attribute = text.rpartition(":") if ":" in text else (text, "", "")
    target = Target.parse(text, directory)
    with import_errors(str(target) if "/" not in text else text), BARE_MODE.importing() as drawing:
        module = target.import_module()
    target = Target(target.module, attribute or _attribute(module), target.directory)
    found: Any = module
    for part in target.attribute.split("."):
        found = getattr(found, part, None)
    if isinstance(found, FastAPI):
        return Loaded(AppDefinition(api=found), source or text, f"FastAPI application {target}")
    if is_asgi(found) and not is_application(found) and not is_streamlit_app(found):
        return Loaded(AppDefinition(api=found), source or text, f"ASGI application {target}")
    warning = _DRAWING.format(drawing[0]) if drawing else ""
    return Loaded(target.found_in(module), f"{head}:{target.attribute}", warning=warning)


def _attribute(module: object) -> str:
    """Return the name of a module's application; ``app`` if there is none."""
    for fits in (is_application, is_api, is_streamlit_app):
        names = [name for name, value in vars(module).items() if fits(value)]
        names.sort(key=lambda name: isinstance(vars(module)[name], FastAPI))  # middleware around one comes first
        for name in (*_ATTRIBUTES, *names[:1]):
            if name in names:
                return name
    return DEFAULT_ATTRIBUTE
