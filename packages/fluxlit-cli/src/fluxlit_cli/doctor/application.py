"""Checks of the user's own code: the target, its pages and its API."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from fastapi.routing import APIRoute

from fluxlit.settings.target import Target
from fluxlit_cli.doctor.check import Check, Needs, Outcome, failed, passed, skipped, warned
from fluxlit_cli.doctor.subject import Subject

SLOW_IMPORT_S = 3.0
# Modules of the standard library that nothing imports on its way to a running application.
_HARMLESS = frozenset({"test", "this", "antigravity", "idlelib", "turtledemo", "turtle", "lib2to3"})
_NEEDED = frozenset(
    {"fluxlit", "streamlit", "fastapi", "starlette", "uvicorn", "pydantic", "httpx", "websockets", "redis", "authlib"}
)


def target_import(subject: Subject) -> Outcome:
    """The target names a FluxLit object that can be imported."""
    project = subject.project
    if project.application is None:
        return failed(project.problem or "the settings could not be read.", "Correct what the message names.")
    return passed(f"{project.target} ({project.source.where})")


def import_time(subject: Subject) -> Outcome:
    """The import is quick: every worker repeats it."""
    _ = subject.application
    seconds = subject.project.seconds
    if seconds > SLOW_IMPORT_S:
        return warned(
            f"importing {subject.project.target} took {seconds:.1f} s, and every worker imports it again.",
            "Move slow work out of the modules: into functions, st.cache_resource or the API's lifespan.",
        )
    return passed(f"{seconds:.2f} s")


def import_shadowing(subject: Subject) -> Outcome:
    """No file of the project hides an installed package or a module of Python."""
    folder = _import_folder(subject)
    names = sorted(_importable(folder))
    hidden = [name for name in names if name in _NEEDED]
    if hidden:
        return failed(
            f"{folder / hidden[0]} hides the installed package {hidden[0]}.", "Rename it, and remove its __pycache__."
        )
    python = [name for name in names if name in sys.stdlib_module_names - _HARMLESS]
    if python:
        return warned(f"{folder / python[0]} hides Python's own module {python[0]}.", "Rename it.")
    return passed(f"{len(names)} modules in {folder}")


def target_origin(subject: Subject) -> Outcome:
    """The module that was imported is the one in the project."""
    _ = subject.application
    target = Target.parse(subject.project.target)
    file = getattr(sys.modules.get(target.module), "__file__", None)
    place = Path(*target.module.split("."))
    here = target.directory or subject.directory
    expected = [here / f"{place}.py", here / place / "__init__.py"]
    there = next((path.resolve() for path in expected if path.is_file()), None)
    if file is not None and there is not None and Path(file).resolve() != there:
        return failed(
            f"{target.module} was imported from {file}, not from {there}.",
            "Remove the other one from PYTHONPATH, or give your module a name of its own.",
        )
    return passed(file or target.module)


def ui_present(subject: Subject) -> Outcome:
    """There is something for Streamlit to show, and its scripts can be compiled."""
    application = subject.application
    if not application.has_ui:
        return warned(
            "there are no pages and no script, so every path outside the API answers 503.",
            "Register a page with @app.page, or adopt a script with FluxLit(ui=...).",
        )
    scripts = {application.ui_script, *(record.script for record in application.pages)} - {None}
    for script in sorted(map(str, scripts)):
        try:
            ast.parse(Path(script).read_bytes(), script)
        except (OSError, SyntaxError, ValueError) as error:
            line = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
            return failed(f"{script}{line} cannot be run: {error}.", "Correct the script.")
    pages = len(application.pages)
    return passed(f"{pages} page{'s' if pages != 1 else ''}" if pages else str(application.ui_script))


def pages_valid(subject: Subject) -> Outcome:
    """No page is hidden by the API, and what pages ask for is there."""
    pages = subject.application.pages
    if not len(pages):
        return skipped("there are no pages.")
    pages.validate(subject.settings.api_mount_path)
    if subject.settings.session_store is None:
        pages.require_session_store("there is no session store: set FLUXLIT_SESSION_STORE.")
    return passed(", ".join(record.path for record in pages))


def page_titles(subject: Subject) -> Outcome:
    """Each page in the navigation has a title of its own."""
    titles = Counter((record.section, record.title) for record in subject.application.pages if not record.hidden)
    twice = [title for (_, title), count in titles.items() if count > 1]
    if twice:
        return warned(f"several pages are called {twice[0]!r} in the navigation.", "Give each a title of its own.")
    return passed(f"{len(titles)} titles")


def openapi(subject: Subject) -> Outcome:
    """The API can describe itself."""
    api = subject.application.api
    try:
        document = api.openapi()
    except Exception as error:  # noqa: BLE001  (FastAPI and Pydantic raise what they like)
        text = str(error).strip().splitlines()[0] if str(error).strip() else ""
        return failed(
            f"the API's documentation cannot be made: {type(error).__name__}: {text}",
            "Correct the model or parameter, or leave the route out with include_in_schema=False.",
        )
    return passed(f"{len(document.get('paths', {}))} paths")


def api_routes(subject: Subject) -> Outcome:
    """Every route of the API can be reached."""
    routes = list(_routes(subject))
    probes = [path for path, method in routes if path in {"/healthz", "/readyz"} and method in {"GET", "HEAD"}]
    if probes:
        return warned(
            f"the API's own {probes[0]} is never reached: FluxLit answers there itself.",
            "Remove it, or give it another path.",
        )
    twice = [key for key, count in Counter(routes).items() if count > 1]
    if twice:
        path, method = twice[0]
        return warned(f"{method} {path} is registered twice, and the second one is never reached.", "Remove one.")
    return passed(f"{len(routes)} routes")


def _routes(subject: Subject) -> Iterator[tuple[str, str]]:
    for route in subject.application.api.routes:
        if isinstance(route, APIRoute):
            for method in sorted(route.methods or ()):
                yield route.path, method


def _import_folder(subject: Subject) -> Path:
    target = Target.parse(subject.project.target)
    return target.directory or subject.directory


def _importable(folder: Path) -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.suffix == ".py" and entry.stem.isidentifier():
            yield entry.stem
        elif (entry / "__init__.py").is_file():
            yield entry.name


CHECKS = (
    Check("target-import", "the target is a FluxLit object that can be imported", target_import, Needs.APPLICATION),
    Check("target-origin", "the module that is imported is the project's own", target_origin, Needs.APPLICATION),
    Check("import-time", "the application is imported quickly", import_time, Needs.APPLICATION),
    Check("import-shadowing", "no file of the project hides a package", import_shadowing, Needs.APPLICATION),
    Check("ui-present", "there is something to show, and it can be compiled", ui_present, Needs.APPLICATION),
    Check("pages-valid", "pages can be reached and get what they ask for", pages_valid, Needs.APPLICATION),
    Check("page-titles", "pages can be told apart in the navigation", page_titles, Needs.APPLICATION),
    Check("openapi", "the API can describe itself", openapi, Needs.APPLICATION),
    Check("api-routes", "every route of the API can be reached", api_routes, Needs.APPLICATION),
)
