"""`.dockerignore`: patterns as Docker reads them, and the text to write.

The last line that matches a path decides. So the lists go from weak to strong: what Git ignores, what no image needs,
the lines that the project has already, secrets, and at the end the project's own exceptions for single files.
"""

from __future__ import annotations

import fnmatch
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath

from fluxlit_deploy.template import template_text
from fluxlit_deploy.text import read_text

FILE = ".dockerignore"

# The file has five parts, each below a comment.
_PARTS = [tuple(part.splitlines()) for part in template_text("docker/dockerignore.txt").split("\n\n")]
_TOP = _PARTS[0]
_BALLAST_PART, _DATA_PART, _UNUSED_PART, _SECRETS_PART = _PARTS[1:]
BALLAST, UNUSED, SECRETS = _BALLAST_PART[1:], _UNUSED_PART[1:], _SECRETS_PART[1:]

_GIT = "# What .gitignore names"
_NEEDED = "# What the image needs although a line above names it"
_OWN = "# Lines of this project"
_EXCEPTIONS = "# Single files of this project that are no secrets in spite of their names"
_WRITTEN = frozenset({line for part in _PARTS for line in part} | {_GIT, _NEEDED, _OWN, _EXCEPTIONS})


@dataclass(frozen=True)
class Pattern:
    """One line that is neither empty nor a comment.

    Attributes:
        text: as written.
        line: where, counted from 1.
    """

    text: str
    line: int = 0

    @property
    def keeps(self) -> bool:
        """The line is an exception: what it matches is let through."""
        return self.text.startswith("!")

    @property
    def expression(self) -> re.Pattern[str] | None:
        """The pattern as a regular expression; `None` if Docker refuses it."""
        try:
            return _expression(self.text.removeprefix("!").strip().strip("/"))
        except re.error:
            return None

    def matches(self, path: str) -> bool:
        """Say whether the pattern matches a path or a folder above it."""
        expression = self.expression
        return expression is not None and any(expression.fullmatch(each) for each in _with_parents(path))


@dataclass(frozen=True)
class Ignored:
    """What the files of a project add to its `.dockerignore`.

    Attributes:
        own: lines of an existing `.dockerignore` that FluxLit did not write.
        git: patterns of `.gitignore`, translated.
        packages: names of folders that the application imports, although they are usually of no use in an image.
    """

    own: tuple[str, ...] = ()
    git: tuple[str, ...] = ()
    packages: frozenset[str] = frozenset()


def read_ignore(text: str) -> tuple[Pattern, ...]:
    """Parse a `.dockerignore`."""
    lines = enumerate(text.splitlines(), 1)
    return tuple(Pattern(line.strip(), number) for number, line in lines if line.strip() and not line.startswith("#"))


def decided_by(patterns: tuple[Pattern, ...], path: str) -> Pattern | None:
    """Return the last pattern that matches a path: in Docker, it decides."""
    return next((each for each in reversed(patterns) if each.matches(path)), None)


def matcher(patterns: Iterable[Pattern]) -> Callable[[str], bool]:
    """Return a function that is true for paths outside the build context."""
    runs: list[tuple[bool, re.Pattern[str]]] = []
    for keeps, run in itertools.groupby(patterns, lambda each: each.keeps):
        if found := [each.expression.pattern for each in run if each.expression]:
            # One expression for many lines: a project may have a hundred lines and ten thousand files.
            runs.insert(0, (keeps, re.compile("|".join(found))))

    def keeps_out(path: str) -> bool:
        names = _with_parents(path)
        return next((not keeps for keeps, expression in runs if any(map(expression.fullmatch, names))), False)

    return keeps_out


def is_secret_name(path: str) -> bool:
    """Say whether a path, or a folder above it, is named as secrets are."""
    return _is_secret(path)


def inspect_ignored(directory: Path, *more: Path) -> Ignored:
    """Read what the files of a project keep out.

    Args:
        directory: the project's folder.
        *more: other folders where a `.dockerignore` is about to be replaced.

    Raises:
        DeployError: a file cannot be read.
    """
    folders = dict.fromkeys(each.resolve() for each in (directory, *more))
    files = [each / FILE for each in folders if (each / FILE).is_file()]
    lines = [line for file in files for line in read_text(file).splitlines()]
    git = tuple(dict.fromkeys((*_listed(lines), *_git_patterns(directory))))
    return Ignored(tuple(_own(lines, {*_WRITTEN, *git})), git, frozenset(_imported(directory)))


def ignore_text(ignored: Ignored, needed: Iterable[str], sessions: str = "") -> str:
    """Write a `.dockerignore`.

    Args:
        ignored: what the project adds.
        needed: paths without which the image cannot be built or started.
        sessions: the file of local sessions, empty for none.
    """
    unused = [each for each in _UNUSED_PART if each not in ignored.packages]
    weak = [*_BALLAST_PART, *_DATA_PART, *unused]
    machine = [f"{sessions}*"] if sessions else []
    keeps_out = matcher(read_ignore("\n".join((*ignored.git, *weak))))
    missed = [f"!{each}" for each in needed if keeps_out(each)]
    own = [line for line in ignored.own if line not in {*machine, *missed}]
    exceptions = [line for line in own if _names_secret_file(line)]
    parts: list[Sequence[str]] = [
        _TOP,
        (_GIT, *(each for each in ignored.git if each not in weak and not _is_covered(each))),
        _BALLAST_PART,
        (*_DATA_PART, *machine),
        unused,
        (_NEEDED, *missed),
        (_OWN, *(line for line in own if line not in exceptions)),
        _SECRETS_PART,
        (_EXCEPTIONS, *exceptions),
    ]
    # A part of one line is a comment above nothing.
    return "\n\n".join("\n".join(part) for part in parts if len(part) > 1) + "\n"


def context_files(directory: Path, patterns: tuple[Pattern, ...]) -> Iterator[str]:
    """Yield the files of a folder that enter the build context."""
    keeps_out = matcher(patterns)
    # An exception may let a file through in a folder that is kept out itself, but never in one of a tool.
    prunes = _is_ballast if any(each.keeps for each in patterns) else keeps_out
    for folder, folders, files in os.walk(directory):
        below = PurePosixPath(Path(folder).relative_to(directory).as_posix())
        folders[:] = sorted(name for name in folders if not prunes(str(below / name)))
        yield from (name for name in map(str, map(below.joinpath, sorted(files))) if not keeps_out(name))


def git_patterns(lines: Iterable[str], prefix: str = "") -> Iterator[str]:
    """Translate lines of a `.gitignore`.

    Args:
        lines: the lines.
        prefix: folder of the file below the project, empty or ending in a slash.
    """
    for line in lines:
        # A backslash keeps a space at the end, and makes # and ! ordinary.
        bare = re.sub(r"(?<!\\)\s+$", "", line)
        if not bare or bare.startswith("#"):
            continue
        exception, bare = ("!", bare[1:]) if bare.startswith("!") else ("", bare.removeprefix("\\"))
        anchored = "/" in bare.rstrip("/")
        # Docker's classes are Go's, which refuse some that Git takes. One character of any kind keeps out more.
        path = re.sub(r"\[(?![A-Za-z0-9]+\])[^]]*\]|\\ $|\\$", "?", bare.strip("/"))
        if path.strip("*/"):
            yield f"{exception}{prefix}{'' if anchored else '**/'}{path}"
        elif path == "*":
            yield f"{exception}{prefix}**"


def _is_covered(pattern: str) -> bool:
    """Whether another line keeps out what a pattern without wildcards names."""
    path = pattern.removeprefix("**/")
    return not re.search(r"[*?\[!]", path) and (_is_ballast(path) or _is_secret(path))


def _listed(lines: list[str]) -> list[str]:
    """Return the patterns of Git in an existing file, which stay there."""
    if _GIT not in lines:
        return []
    return list(itertools.takewhile(bool, lines[lines.index(_GIT) + 1 :]))


def _own(lines: list[str], written: set[str]) -> Iterator[str]:
    """Yield the lines that FluxLit did not write, with their comments."""
    seen: set[str] = set()
    comments: list[str] = []
    for line in lines:
        bare = line.strip()
        if not bare or bare in written or bare in seen:
            comments = []
        elif bare.startswith("#"):
            comments.append(bare)
        else:
            yield from (*comments, bare)
            seen.add(bare)
            comments = []


def _names_secret_file(line: str) -> bool:
    """Whether a line is an exception for a single file named as a secret."""
    path = line.removeprefix("!").strip().strip("/")
    return line.startswith("!") and not re.search(r"[*?\[]", path) and is_secret_name(path)


def _git_patterns(directory: Path) -> Iterator[str]:
    yield from _patterns_above(directory.resolve())
    for path in sorted(context_files(directory, (*_BALLAST_PATTERNS, *map(Pattern, UNUSED)))):
        if PurePosixPath(path).name == ".gitignore":
            prefix = path.removesuffix(".gitignore")
            yield from git_patterns(read_text(directory / path).splitlines(), prefix)


def _patterns_above(directory: Path) -> Iterator[str]:
    """Yield the patterns of the folders above, up to the repository's root."""
    above = [directory, *directory.parents]
    top = next((index for index, each in enumerate(above) if (each / ".git").exists()), 0)
    for folder in reversed(above[1 : top + 1]):
        if not (folder / ".gitignore").is_file():
            continue
        down = directory.relative_to(folder).parts
        for pattern in git_patterns(read_text(folder / ".gitignore").splitlines()):
            exception, bare = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
            if (below := _below(bare.split("/"), down)) is not None:
                yield exception + below


def _below(parts: list[str], down: tuple[str, ...]) -> str | None:
    """Return the rest of a pattern below a folder, `None` for no match."""
    for index, name in enumerate(down):
        if index >= len(parts):
            return None
        if parts[index] == "**":
            return "/".join(parts[index:])
        if not fnmatch.fnmatchcase(name, parts[index]):
            return None
    return "/".join(parts[len(down) :]) or None


def _imported(directory: Path) -> Iterator[str]:
    """Yield the folders of `UNUSED` that a module outside of them imports."""
    packages = [name for name in UNUSED if any((directory / name).glob("**/*.py"))]
    if not packages:
        return
    sources = [each for each in context_files(directory, _BALLAST_PATTERNS) if each.endswith(".py")]
    for name in packages:
        imports = re.compile(rf"^\s*(?:from|import)\s+{name}\b", re.MULTILINE)
        if any(imports.search(_source(directory / each)) for each in sources if not each.startswith(f"{name}/")):
            yield name


def _source(path: Path) -> str:
    return path.read_text("utf-8", "replace")


@lru_cache(maxsize=4096)
def _with_parents(path: str) -> tuple[str, ...]:
    return (path, *map(str, PurePosixPath(path).parents))


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    """Translate a pattern (Go's filepath.Match, and Docker's ``**``)."""
    out = ""
    for part in re.findall(r"\*\*/|\*\*|\*|\?|\[[^]]*\]|\\.|.", pattern):
        special = {"**/": r"(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
        if part[0] == "[" and len(part) == 1:
            raise re.error("a bracket is not closed")
        out += special.get(part) or (part if part[0] == "[" else re.escape(part[-1]))
    return re.compile(out)


_BALLAST_PATTERNS = tuple(map(Pattern, BALLAST))
_is_ballast = matcher(_BALLAST_PATTERNS)
_is_secret = matcher(map(Pattern, SECRETS))
