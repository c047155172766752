"""Checks of a `.dockerignore` and of the files that it lets through."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from fluxlit_deploy.description import Project
from fluxlit_deploy.dockerignore import (
    FILE,
    SECRETS,
    Pattern,
    context_files,
    decided_by,
    is_secret_name,
    matcher,
    read_ignore,
)
from fluxlit_deploy.finding import Finding
from fluxlit_deploy.image import needed
from fluxlit_deploy.secrets import holds_key, lines_with_credentials
from fluxlit_deploy.text import decode

# What `--check` asks of an edited file: the rest of BALLAST only costs time.
_HEAVY = ("**/.git", "**/.venv", "**/node_modules", "**/__pycache__")

# Files that name indexes and repositories, and so may hold the credentials for them.
_DEPENDENCY_FILE = re.compile(
    r"(^|/)([^/]*(requirements|constraints)[^/]*\.(txt|in)|requirements/[^/]*\.(txt|in)|pyproject\.toml|uv\.toml"
    r"|(uv|poetry|pdm)\.lock|pylock[^/]*\.toml|Pipfile(\.lock)?|setup\.(py|cfg)|poetry\.toml|\.?pdm\.toml|\.condarc"
    r"|[^/]*environment[^/]*\.ya?ml|conda-lock\.yml|\.gitmodules|fluxlit\.toml|Dockerfile[^/]*)$"
)
_ADD = "fluxlit build --force keeps your lines, and adds those that are missing."
_LARGEST_BYTES = 256 * 1024
_NAMED = 3


def check(project: Project, directory: Path) -> Iterator[Finding]:
    """Check the `.dockerignore` beside a Dockerfile."""
    path = directory / FILE
    if not path.is_file():
        if (directory / "Dockerfile").is_file():
            yield Finding(
                "ignore-missing",
                "error",
                FILE,
                None,
                "there is none, so COPY takes .env, keys, the history and the virtual environment into the image.",
                "Write one with fluxlit build --output elsewhere, and move it here.",
            )
        return
    patterns = read_ignore(path.read_text("utf-8", "replace"))
    for each in patterns:
        if each.expression is None:
            message = f"{each.text} is not a valid pattern, and Docker refuses to build."
            yield Finding("ignore-pattern", "error", FILE, each.line, message, "Close its bracket, or remove the line.")
    yield from _let_through(patterns)
    yield from _kept_out(patterns, project)
    yield from check_context(directory, patterns)
    yield from _ignored_by_git(project, directory, patterns)


def check_context(directory: Path, patterns: tuple[Pattern, ...]) -> Iterator[Finding]:
    """Find secrets in the files that enter the build context.

    Args:
        directory: the project's folder.
        patterns: its `.dockerignore`.
    """
    for path in context_files(directory, patterns):
        if _DEPENDENCY_FILE.search(path):
            for line in lines_with_credentials(_content(directory / path)):
                yield Finding(
                    "project-credentials",
                    "error",
                    path,
                    line,
                    "it holds a password or a token, which would be in the image, and is in every copy of this file.",
                    "Take it out and revoke it. Put the new one into a netrc file, and build with "
                    "docker build --secret id=netrc,src=$HOME/.netrc .",
                )
        elif _is_secret(directory / path, path):
            message = "it is a secret, by its name or its content, and would get into the image."
            remedy = f"Move it out of the project, or add {path} at the end of {FILE}."
            yield Finding("ignore-secret", "error", path, None, message, remedy)


def kept_out_by_git(project: Project, directory: Path, patterns: tuple[Pattern, ...]) -> Iterator[Finding]:
    """Name files that only `.gitignore` keeps out of the image."""
    git, stays_out = matcher(map(Pattern, project.ignored.git)), matcher(patterns)
    others = tuple(each for each in patterns if each.text not in project.ignored.git)
    files = context_files(directory, others) if project.ignored.git else ()
    names = [each for each in files if git(each) and stays_out(each)]
    if names:
        message = f"git ignores {_some(names)}, so the image goes without."
        remedy = f"If the application needs a file of these, add a line such as !{names[0]} to {FILE}."
        yield Finding("ignore-git", "warning", FILE, None, message, remedy)


def _let_through(patterns: tuple[Pattern, ...]) -> Iterator[Finding]:
    """Name what gets through, one finding for each line that lets it."""
    for line, names in _through(patterns, SECRETS):
        message = f"files such as {names} would get into the build context, and by COPY into the image."
        yield Finding("ignore-secret", "error", FILE, line, message, _ADD)
    for line, names in _through(patterns, _HEAVY):
        message = f"files such as {names} would be sent to the builder with each build, and copied."
        yield Finding("ignore-ballast", "warning", FILE, line, message, _ADD)


def _through(patterns: tuple[Pattern, ...], listed: Iterable[str]) -> Iterator[tuple[int | None, str]]:
    decisions = [(path, decided_by(patterns, path)) for path in map(_example, listed)]
    through = [(path, found) for path, found in decisions if found is None or found.keeps]
    for line, group in itertools.groupby(through, lambda each: each[1].line if each[1] else None):
        yield line, _some([path for path, _ in group])


def _kept_out(patterns: tuple[Pattern, ...], project: Project) -> Iterator[Finding]:
    for path in dict.fromkeys(needed(project)):
        found = decided_by(patterns, path)
        if found is not None and not found.keeps:
            message = f"{found.text} keeps {path} out, without which the image cannot be built or started."
            yield Finding("ignore-needed", "error", FILE, found.line, message, f"Take it out, or add !{path} below it.")


def _ignored_by_git(project: Project, directory: Path, patterns: tuple[Pattern, ...]) -> Iterator[Finding]:
    """Name files that Git ignores and the image gets without an exception."""
    git, wanted = matcher(map(Pattern, project.ignored.git)), needed(project)
    files = context_files(directory, patterns) if project.ignored.git else ()
    names = [each for each in files if git(each) and decided_by(patterns, each) is None and each not in wanted]
    if names:
        message = f"git ignores {_some(names)}, and the image gets {'it' if len(names) == 1 else 'them'}."
        remedy = f"Keep out what is private: fluxlit build --force adds the lines of .gitignore to {FILE}."
        yield Finding("ignore-git", "warning", FILE, None, message, remedy)


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _example(pattern: str) -> str:
    """Return a path that a pattern is meant for."""
    name = pattern.removeprefix("**/").replace(".env*", ".env.production")
    return f"folder/{name.replace('*', 'x').replace('?', '_')}"


def _is_secret(path: Path, name: str) -> bool:
    if not is_secret_name(name) and _size(path) > _LARGEST_BYTES:
        return False
    content = _content(path)
    return holds_key(content) or (is_secret_name(name) and not _is_public(content))


def _is_public(content: str) -> bool:
    return re.search(r"-----BEGIN (CERTIFICATE|PUBLIC KEY|RSA PUBLIC KEY)-----", content) is not None


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _content(path: Path) -> str:
    """Return the content of a text file, and an empty string for any other."""
    try:
        return decode(path.read_bytes())
    except (OSError, ValueError):
        return ""
