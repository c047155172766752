"""Adopting a Streamlit script or a FastAPI application.

Files in the project's folder stay in place. Others are copied, with the files that they import or name.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import ModuleType

from fluxlit.errors import FluxLitError
from fluxlit.settings.target import Target, blame, described, is_application
from fluxlit_cli.new.errors import NewError
from fluxlit_cli.new.needs import Needs, is_source


@dataclass(frozen=True)
class Adopted:
    """Existing pages or an existing API.

    Attributes:
        kind: ``streamlit`` or ``fastapi``.
        values: its values for templates.
        sources: its modules, as files and folders of the project; their names are taken.
        files: copies, by path in the project; none if it is there already.
        in_place: it is in the project's folder.
        note: a note for the user.
    """

    kind: str
    values: Mapping[str, str]
    sources: tuple[str, ...] = ()
    files: Mapping[PurePosixPath, bytes] = field(default_factory=dict)
    in_place: bool = False
    note: str = ""


def adopt_script(script: Path, folder: Path) -> Adopted:
    """Adopt a Streamlit script.

    Args:
        script: the file.
        folder: the project's folder, which need not exist.

    Raises:
        NewError: there is no such file, or it is not Python.
    """
    path, root = script.resolve(), folder.resolve()
    if not path.is_file() or path.suffix != ".py":
        raise NewError(f"--from-streamlit: {script} is not a Python file. Pass the script that `streamlit run` takes.")
    if path.is_relative_to(root):
        values = {"script": path.relative_to(root).as_posix()}
        return Adopted("streamlit", values, _sources_in(root), in_place=True)
    needs = Needs(path.parent)
    needs.script(path)
    return _copied("streamlit", {"script": path.name}, needs)


def adopt_api(service: str, folder: Path) -> Adopted:
    """Adopt a FastAPI application; imports its module.

    Args:
        service: ``module:attribute``, as for uvicorn; the module is imported from the working directory.
        folder: the project's folder, which need not exist.

    Raises:
        NewError: there is no such application, or it cannot be imported.
    """
    try:
        target = Target.parse(service)
    except FluxLitError as error:
        raise NewError(f"--from-fastapi: {error}") from None
    base = (target.directory or Path.cwd()).resolve()
    module, application = _import(target, base)
    values = {
        **_import_values(target),
        "openapi": getattr(application, "openapi_url", None) or "/healthz",
    }
    file = Path(module.__file__ or base).resolve()
    if not is_source(file, base):
        note = f"{target.module} is installed, not copied: add its distribution to requirements.txt."
        return Adopted("fastapi", values, note=note)
    if base == folder.resolve():
        return Adopted("fastapi", values, _sources_in(base), in_place=True)
    if file.is_relative_to(folder.resolve()):
        raise NewError(
            f"--from-fastapi: {file} is in {folder} but is imported from {base}. To adopt it there, run `fluxlit new "
            f". --from-fastapi ...` in {folder}, with the name of the module in that folder."
        )
    needs = Needs(base)
    needs.module(target.module)
    return _copied("fastapi", values, needs)


def _copied(kind: str, values: Mapping[str, str], needs: Needs) -> Adopted:
    files = {path: place.read_bytes() for path, place in needs.found.items()}
    names = sorted({path.parts[0] for path in files if path.suffix == ".py"})
    listed = ", ".join(sorted(map(str, files)))
    return Adopted(kind, values, tuple(names), files, note=f"Copied from {needs.base}: {listed}.")


def _sources_in(root: Path) -> tuple[str, ...]:
    """Return the top-level modules and packages of a folder."""
    entries = [entry for entry in root.iterdir() if is_source(entry, root)]
    return tuple(sorted(each.name for each in entries if each.suffix == ".py" or _holds_python(each)))


def _holds_python(folder: Path) -> bool:
    return folder.is_dir() and any(folder.glob("*.py"))


def _import(target: Target, base: Path) -> tuple[ModuleType, object]:
    sys.path.insert(0, str(base))
    try:
        module = importlib.import_module(target.module)
    except (Exception, SystemExit) as error:
        raise NewError(f"--from-fastapi: {target.module} cannot be imported from {base}: {blame(error)}") from error
    found: object = module
    for part in target.attribute.split("."):
        found = getattr(found, part, None)
    if is_application(found):
        raise NewError(f"--from-fastapi: {target} is a FluxLit object already. Run it: fluxlit dev {target}")
    if "FastAPI" not in _class_names(found):
        others = [name for name, value in vars(module).items() if "FastAPI" in _class_names(value)]
        hint = f" Did you mean {target.module}:{others[0]}?" if others else ""
        missing = f"{target.module} has no attribute {target.attribute!r}."
        problem = missing if found is None else f"{target} is {described(found)}, not a FastAPI object."
        raise NewError(f"--from-fastapi: {problem}{hint}")
    return module, found


def _class_names(value: object) -> Collection[str]:
    return {each.__name__ for each in type(value).__mro__}


def _import_values(target: Target) -> dict[str, str]:
    """Return the template values with which a module imports the object."""
    first, _, rest = target.attribute.partition(".")
    alias = "service" if first == "app" else first  # the FluxLit object is called app
    renamed = first if first == alias else f"{first} as {alias}"
    return {
        "service_import": f"from {target.module} import {renamed}",
        "service": f"{alias}.{rest}" if rest else alias,
        "service_target": str(target),
    }
