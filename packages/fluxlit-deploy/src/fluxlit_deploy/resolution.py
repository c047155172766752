"""Try to resolve the dependencies as the build of the image would.

uv does it, as in the image, and only if it is installed here. Its cache is asked first, then the index. Nothing is
installed, and the project is not built: that would write into its folder.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fluxlit_deploy.dependencies import PYPROJECT, Dependencies, LockKind
from fluxlit_deploy.description import Project
from fluxlit_deploy.finding import Finding, Severity
from fluxlit_deploy.image import GENERATED, install_arguments

LIMIT_S = 120
PLATFORM = "x86_64-manylinux_2_36"
"""The C library of the base image."""

STALE = "needs to be updated"
_NETWORK = re.compile(
    r"network (connectivity is|was) disabled|in the cache|error sending request|failed to fetch|dns error|connect error"
    r"|timed out",
    re.IGNORECASE,
)
# Signs with which uv draws its messages as a tree.
_DRAWN = re.compile(r"[\u00d7\u2500-\u257f\u25b6]")
_MAX = 500


def check(project: Project, directory: Path) -> Iterator[Finding]:
    """Yield why the dependencies of a project cannot be resolved.

    Args:
        project: the application.
        directory: its folder.
    """
    dependencies, uv = project.dependencies, shutil.which("uv")
    tries = dependencies.kind is not LockKind.NONE and not dependencies.needs_source
    if uv is None or not tries or not set(dependencies.variables) <= os.environ.keys():
        return
    offline = os.environ.get("UV_OFFLINE", "").lower() in {"1", "true", "yes"}
    with tempfile.TemporaryDirectory() as folder:
        command = _command(project, uv, folder)
        problem = _problem(project, [*command, "--offline"], directory)
        if problem and not offline and STALE not in problem:
            problem = _problem(project, command, directory)
    if STALE in problem:
        yield _found(dependencies, "error", "it does not fit pyproject.toml any more.", "Run uv lock, and commit it.")
        return
    shown = problem.partition(" hint:")[0][:_MAX]
    if problem and not _NETWORK.search(problem):
        yield _found(dependencies, "error", f"the build could not install this: {shown}", "Correct the requirement.")
    elif problem and not offline:
        remedy = "Allow the connection, or set UV_OFFLINE=1 to leave this out."
        yield _found(dependencies, "warning", f"whether this can be installed is not known: {shown}", remedy)


def _found(dependencies: Dependencies, severity: Severity, message: str, remedy: str) -> Finding:
    return Finding("project-resolution", severity, dependencies.file or PYPROJECT, None, message, remedy)


def _command(project: Project, uv: str, folder: str) -> list[str]:
    """Return the command that resolves what the image installs."""
    if project.dependencies.kind is LockKind.UV:
        return [uv, "lock", "--check"]
    where = ["--dry-run", "--target", folder, "--python", sys.executable]
    how = ["--python-version", project.python, "--python-platform", PLATFORM]
    what = ["-" if each == GENERATED else each for each in shlex.split(install_arguments(project.dependencies))]
    return [uv, "pip", "install", *where, *how, *what]


def _problem(project: Project, command: list[str], directory: Path) -> str:
    """Return the error of a command in one line, empty if there is none."""
    environ = dict(os.environ)
    if project.build.index_url:
        environ["UV_DEFAULT_INDEX"] = project.build.index_url
    try:
        done = subprocess.run(  # noqa: S603  # uv, with the arguments of the image
            command,
            cwd=directory,
            env=environ,
            input=project.dependencies.generated,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"uv timed out after {LIMIT_S} s."
    if done.returncode == 0:
        return ""
    message = re.sub(r"://[^@/\s]+@", "://***@", _DRAWN.sub(" ", done.stderr))
    return " ".join(message.split()) or f"uv ended with {done.returncode}."
