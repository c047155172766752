"""`fluxlit new`: a project that runs at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from fluxlit_cli import exit_codes, output

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_SUFFIX = ".template"

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Folder to create; its last part names the project.", show_default=False)
]


def new(name: Name) -> int:
    """Create a project that runs at once and has a test.

    Nothing is ever overwritten: the folder must not exist, or be empty.
    """
    folder = Path(name)
    complaint = _complaint(folder)
    if complaint:
        output.error(complaint)
        return exit_codes.FAILURE
    values = {"name": folder.resolve().name, "title": title(folder.resolve().name)}
    try:
        for path, text in files(values):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, "utf-8")
    except OSError as error:
        output.error(f"{name} cannot be created: {error.strerror or error}")
        return exit_codes.FAILURE
    output.say(f"Created {name}. Next:\n  cd {name}\n  fluxlit dev")
    return exit_codes.SUCCESS


def title(name: str) -> str:
    """Turn the name of a project into a title: ``my-admin_portal`` is "My admin portal"."""
    words = re.sub(r"[-_]+", " ", name).strip()
    return words[:1].upper() + words[1:]


def files(values: dict[str, str], profile: str = "minimal") -> Iterator[tuple[Path, str]]:
    """Yield path and text of each file of a project."""
    root = Path(str(resources.files("fluxlit_cli"))) / "templates" / profile
    for source in sorted(root.rglob(f"*{_SUFFIX}")):
        path = source.relative_to(root)
        # A leading "dot-" keeps hidden files visible in this repository.
        name = re.sub(r"^dot-", ".", path.name.removesuffix(_SUFFIX))
        yield path.with_name(name), Template(source.read_text("utf-8")).substitute(values)


def _complaint(folder: Path) -> str | None:
    if not _NAME.fullmatch(folder.resolve().name):
        return (
            f'"{folder.name}" cannot name a project: use letters, digits, "-" and "_", and start with a letter, '
            f"as in my-portal."
        )
    if folder.is_dir():
        taken = any(folder.iterdir())
        return f"{folder} exists and is not empty. Nothing was written; choose another name." if taken else None
    return f"{folder} exists and is a file. Nothing was written; choose another name." if folder.exists() else None
