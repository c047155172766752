"""Read requirements files and the files that they include."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.text import read_text

_INCLUDES = re.compile(r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)")
_INDEX = re.compile(r"(?:-i|--(?:extra-)?index-url)[\s=]+(\S+)")
_EDITABLE = re.compile(r"(?:-f|--find-links|-e|--editable)[\s=]*(\S+)")


def requirement_lines(directory: Path, file: str, seen: set[str] | None = None) -> Iterator[tuple[str, str]]:
    """Yield ``(file, line)`` of a requirements file and of its includes.

    Raises:
        DeployError: one cannot be read, or is outside the project.
    """
    seen = set() if seen is None else seen
    if file in seen:
        return
    seen.add(file)
    for line in re.sub(r"\\\n", " ", _content(directory, file)).splitlines():
        bare = re.sub(r"(^|\s)#.*", "", line).strip()
        if included := _INCLUDES.match(bare):
            yield file, ""
            if "://" not in included[1]:
                beside = str(PurePosixPath(file).parent / included[1])
                yield from requirement_lines(directory, inside(beside, file), seen)
        elif bare:
            yield file, bare


def index_url(line: str) -> str:
    """Return the index that a line names, empty for any other line."""
    found = _INDEX.match(line)
    return found[1] if found else ""


def local_path(line: str) -> str | None:
    """Return the path that a requirement names, `None` for none.

    Raises:
        DeployError: it is outside the project.
    """
    option = _EDITABLE.match(line)
    word = option[1] if option else line.split(maxsplit=1)[0]
    word = word.partition("@")[2].strip() or word if " @ " not in line else line.partition(" @ ")[2].split()[0]
    word = re.sub(r"^file:(//)?", "", re.sub(r"\[[^]]*\]$", "", word))
    is_path = option or word.startswith((".", "/")) or "/" in word or word.endswith((".whl", ".tar.gz", ".zip"))
    if not is_path or "://" in word or word.startswith("git+"):
        return None
    return inside(word, "requirements.txt")


def requirement_name(line: str) -> str:
    """Return a requirement by name, also of the path of a wheel."""
    if (named := re.search(r"#egg=([\w.-]+)", line)) and line.startswith(("-e", "git+")):
        return named[1]
    file = PurePosixPath(line.split(maxsplit=1)[0]).name
    return file.partition("-")[0].replace("_", "-") if file.endswith(".whl") else line


def inside(place: str, file: str) -> str:
    """Return a path below the project in its shortest form.

    Raises:
        DeployError: it is outside the project, or has characters that a Dockerfile would read as something else.
    """
    path = PurePosixPath(place)
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    if path.is_absolute() or ".." in parts:
        raise DeployError(
            f"{file} refers to {place}, which is outside the project: an image is built from the project's folder "
            f"alone. Copy it into the project (a wheel into wheels/, for instance) and refer to the copy."
        )
    if not re.fullmatch(r"[\w.+@/-]*", "/".join(parts)):
        raise DeployError(
            f"{file} refers to {place}: rename it so that the path has letters, digits and . _ - + @ only."
        )
    return str(PurePosixPath(*parts))


def _content(directory: Path, file: str) -> str:
    try:
        return read_text(directory / file)
    except DeployError as error:
        raise DeployError(str(error).replace(PurePosixPath(file).name, file, 1)) from None
