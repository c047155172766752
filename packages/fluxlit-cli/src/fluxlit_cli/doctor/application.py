"""Checks of the user's own code: the target, its pages and its API."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastapi.routing
from fastapi.routing import APIRoute

from fluxlit.server.adopted_api import own_probes, yields_mount
from fluxlit.settings.target import Target
from fluxlit_cli import output
from fluxlit_cli.doctor.check import Check, Needs
from fluxlit_cli.doctor.subject import Subject
from fluxlit_cli.finding import Finding, failed, passed, skipped, warned

SLOW_IMPORT_S = 3.0
# Modules of the standard library that no application needs.
_HARMLESS = frozenset({"test", "this", "antigravity", "idlelib", "turtledemo", "turtle", "lib2to3"})
_NEEDED = frozenset(
    {"fluxlit", "streamlit", "fastapi", "starlette", "uvicorn", "pydantic", "httpx", "websockets", "redis", "authlib"}
)


def target_import(subject: Subject) -> Finding:
    """The target names a FluxLit object that can be imported."""
    project = subject.project
    if project.application is None:
        return failed(project.problem or "the settings could not be read.", "")
    return passed(f"{project.target} ({project.source.where})")


def import_time(subject: Subject) -> Finding:
    """The import is quick: every worker repeats it."""
    _ = subject.application
    seconds = subject.project.seconds
    if seconds > SLOW_IMPORT_S:
        return warned(
            f"importing {subject.project.target} took {seconds:.1f} s, and every worker imports it again.",
            "Move slow work out of the modules: into functions, st.cache_resource or the API's lifespan.",
        )
    return passed(f"{seconds:.2f} s")


def import_shadowing(subject: Subject) -> Finding:
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
        return warned(f"{folder / python[0]} hides Python's module {python[0]}.", "Rename it.")
    return passed(f"{output.counted(len(names), 'module')} in {folder}")


def target_origin(subject: Subject) -> Finding:
    """The module that was imported is the one in the project."""
    _ = subject.application
    if Path(subject.project.target).is_dir():
        return skipped("what was found in a folder has no module of its own")
    target = Target.parse(subject.project.target)
    file = getattr(sys.modules.get(target.module), "__file__", None)
    place = Path(*target.module.split("."))
    here = target.directory or subject.directory
    expected = [here / f"{place}.py", here / place / "__init__.py"]
    there = next((path.resolve() for path in expected if path.is_file()), None)
    if file is not None and there is not None and Path(file).resolve() != there:
        return failed(
            f"{target.module} was imported from {file}, not from {there}.",
            "Remove the other one from PYTHONPATH, or rename your module.",
        )
    return passed(file or target.module)


def ui_present(subject: Subject) -> Finding:
    """The application has pages or a script, and they compile."""
    application = subject.application
    if not application.has_ui:
        return warned(
            "there are no pages and no script, so every path outside the API returns 404.",
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
    return passed(output.counted(pages, "page") if pages else str(application.ui_script))


def pages_valid(subject: Subject) -> Finding:
    """No page is hidden by the API, and all page parameters exist."""
    application, mount = subject.application, subject.settings.api_mount_path
    if application.ui_script is not None:
        found = dict(script_pages(application.ui_script))
        if mount in found and not yields_mount(application, subject.settings):
            return warned(
                f"the page {mount} ({found[mount]}) opens by a click only: at its address is the API.",
                "Give the page another url_path or file name, or the API another path with FLUXLIT_API_MOUNT_PATH.",
            )
        return passed(", ".join(found) or "one page")
    pages = application.pages
    if not len(pages):
        return skipped("there are no pages.")
    pages.validate(subject.settings.api_mount_path)
    if subject.settings.session_store is None:
        pages.require_session_store("there is no session store: set FLUXLIT_SESSION_STORE.")
    return passed(", ".join(record.path for record in pages))


def script_pages(script: Path) -> Iterator[tuple[str, str]]:
    """Yield path and place of the pages that a script's text shows.

    Those are what `st.Page` is called with, a name or strings, or else the files of the folder `pages`.
    """
    calls = [node for node in ast.walk(ast.parse(script.read_bytes(), str(script))) if isinstance(node, ast.Call)]
    if not any(_called(call) == "navigation" for call in calls):
        for file in sorted((script.parent / "pages").glob("*.py")):
            yield f"/{_url_path(file.stem)}", f"pages/{file.name}"
    for call in calls:
        if _called(call) == "Page" and call.args:
            named = {each.arg: each.value for each in call.keywords}
            page = named.get("url_path", call.args[0])
            name = page.id if isinstance(page, ast.Name) else getattr(page, "value", None)
            if isinstance(name, str) and "default" not in named:
                path = name.strip("/") if "url_path" in named else _url_path(Path(name).stem)
                yield f"/{path}", f"{script.name}:{call.lineno}"


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def _url_path(stem: str) -> str:
    """The path that Streamlit makes of a file's name."""
    # Without number and symbols, with underscores: streamlit.source_util.page_icon_and_name
    return re.sub(r"[_\s]+", "_", re.sub(r"^\d*[_\W]*", "", stem)).rstrip("_")


def page_titles(subject: Subject) -> Finding:
    """Titles in the navigation are unique."""
    titles = Counter((record.section, record.title) for record in subject.application.pages if not record.hidden)
    twice = [title for (_, title), count in titles.items() if count > 1]
    if twice:
        return warned(f"several pages have the title {twice[0]!r} in the navigation.", "Give each page its own title.")
    return passed(output.counted(len(titles), "title"))


def openapi(subject: Subject) -> Finding:
    """The OpenAPI document can be generated."""
    api = subject.application.api
    try:
        document = api.openapi()
    except Exception as error:  # noqa: BLE001  (FastAPI and Pydantic raise many kinds)
        text = str(error).strip().splitlines()[0] if str(error).strip() else ""
        return failed(
            f"the OpenAPI document cannot be generated: {type(error).__name__}: {text}",
            "Correct the model or parameter, or leave the route out with include_in_schema=False.",
        )
    return passed(output.counted(len(document.get("paths", {})), "path"))


def api_routes(subject: Subject) -> Finding:
    """Every route of the API can be reached."""
    routes = list(_routes(subject))
    if routes and not all(route.pattern for route in routes):
        return skipped("this version of FastAPI does not show its routes.")
    if probes := own_probes(subject.application.api):
        return warned(
            f"the API's own {' and '.join(probes)} are never reached: FluxLit serves these paths itself."
            if len(probes) > 1
            else f"the API's own {probes[0]} is never reached: FluxLit serves that path itself.",
            "Remove it, or give it another path.",
        )
    for index, route in enumerate(routes):
        for earlier in routes[:index]:
            if methods := sorted(earlier.methods & route.methods if earlier.hides(route) else ()):
                return _hidden(methods[0], route.path, earlier.path)
    return passed(output.counted(len(routes), "route"))


def _hidden(method: str, path: str, earlier: str) -> Finding:
    if path == earlier:
        return warned(f"{method} {path} is registered twice, and the second one is never reached.", "Remove one.")
    return warned(
        f"{method} {path} is never reached: {earlier} is registered before it and matches first.",
        f"Register {path} before {earlier}, or change one of the paths.",
    )


# The most general value of a parameter comes first: a route hides another if it matches all of its paths.
_SAMPLES = ("a/b", "~a", "7.5", "7", "00000000-0000-4000-8000-000000000000")


@dataclass(frozen=True)
class _Route:
    path: str
    methods: frozenset[str]
    pattern: re.Pattern[str] | None
    sample: str

    @classmethod
    def of(cls, route: Any) -> _Route:
        """Read a route of Starlette or a context of FastAPI."""
        values = {
            name: next((sample for sample in _SAMPLES if re.fullmatch(convertor.regex, sample)), "~a")
            for name, convertor in (getattr(route, "param_convertors", None) or {}).items()
        }
        path = str(getattr(route, "path", None) or "")
        sample = re.sub(r"\{(\w+)[^}]*\}", lambda found: values.get(found[1], "~a"), path)
        return cls(path, frozenset(getattr(route, "methods", None) or ()), getattr(route, "path_regex", None), sample)

    def hides(self, later: _Route) -> bool:
        """Whether this route matches all paths of a later one."""
        return self.pattern is not None and self.pattern.match(later.sample) is not None


def _routes(subject: Subject) -> Iterator[_Route]:
    """Yield the routes of the API, including those of routers."""
    found: Any = subject.application.api.routes
    # FastAPI resolves the prefixes of routers itself since it no longer copies their routes.
    contexts = getattr(fastapi.routing, "iter_route_contexts", iter)(found)
    for route in contexts:
        if isinstance(getattr(route, "original_route", route), APIRoute):
            yield _Route.of(route)


def _import_folder(subject: Subject) -> Path:
    if (folder := Path(subject.project.target)).is_dir():
        return folder.resolve()
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
    Check("ui-present", "there are pages or a script, and they compile", ui_present, Needs.APPLICATION),
    Check("pages-valid", "pages can be reached and their parameters exist", pages_valid, Needs.APPLICATION),
    Check("page-titles", "page titles in the navigation are unique", page_titles, Needs.APPLICATION),
    Check("openapi", "the OpenAPI document can be generated", openapi, Needs.APPLICATION),
    Check("api-routes", "every route of the API can be reached", api_routes, Needs.APPLICATION),
)
