"""`fluxlit new`: create a project."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from fluxlit_cli import exit_codes, output
from fluxlit_cli.new import recipe
from fluxlit_cli.new.adoption import Adopted, adopt_api, adopt_script
from fluxlit_cli.new.errors import NewError
from fluxlit_cli.new.folder import Change, plan, write
from fluxlit_cli.new.recipe import Profile, ProfileName

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Folder to create; its last part names the project.", show_default=False)
]
Kind = Annotated[
    ProfileName,
    typer.Option(
        "--profile",
        "-p",
        help="minimal: an API, two pages and tests. auth: with a login. deploy: with deployment files. "
        "full: all of these, and sessions.",
    ),
]
Script = Annotated[
    Path | None,
    typer.Option(
        "--from-streamlit", metavar="FILE", help="Adopt this Streamlit script as the pages.", show_default=False
    ),
]
Service = Annotated[
    str | None,
    typer.Option(
        "--from-fastapi",
        metavar="MODULE:ATTRIBUTE",
        help="Adopt this FastAPI application as the API. Its module is imported.",
        show_default=False,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List the files without writing them.")]


def new(
    name: Name,
    *,
    profile: Kind = "minimal",
    from_streamlit: Script = None,
    from_fastapi: Service = None,
    dry_run: DryRun = False,
) -> int:
    """Create a project with pages, an API and tests.

    Existing files are never overwritten. The folder must not exist or be empty, except for adopted code, which stays
    unchanged. Code adopted from elsewhere is copied, with the modules that it imports.
    """
    folder = Path(name)
    try:
        chosen = recipe.PROFILES[profile]
        adopted = _adopted(folder, from_streamlit, from_fastapi)
        _check(folder, chosen, adopted)
        changes = plan(folder, recipe.files(folder.resolve().name, chosen, adopted), keep=bool(adopted))
        if not dry_run:
            write(changes)
    except NewError as error:
        output.error(str(error))
        return exit_codes.FAILURE
    _report(folder, chosen, changes, adopted, dry_run=dry_run)
    return exit_codes.SUCCESS


def _adopted(folder: Path, script: Path | None, service: str | None) -> tuple[Adopted, ...]:
    pages = (adopt_script(script, folder),) if script is not None else ()
    return (*pages, adopt_api(service, folder)) if service is not None else pages


def _check(folder: Path, profile: Profile, adopted: tuple[Adopted, ...]) -> None:
    if not _NAME.fullmatch(folder.resolve().name):
        raise NewError(
            f'"{folder.name}" is not a valid project name: use letters, digits, "-" and "_", and start with a letter, '
            f"as in my-portal."
        )
    if adopted and not profile.adopts:
        profiles = " and ".join(name for name, each in recipe.PROFILES.items() if each.adopts)
        raise NewError(
            f"The profile {profile.name} has its own pages and API, so nothing can be adopted. "
            f"Use --from-streamlit and --from-fastapi with the profiles {profiles}."
        )
    if folder.is_dir():
        in_place = any(each.in_place for each in adopted)
        if any(folder.iterdir()) and not in_place:
            raise NewError(f"{folder} exists and is not empty. Nothing was written; choose another name.")
    elif folder.exists():
        raise NewError(f"{folder} exists and is a file. Nothing was written; choose another name.")


def _report(
    folder: Path, profile: Profile, changes: tuple[Change, ...], adopted: tuple[Adopted, ...], *, dry_run: bool
) -> None:
    if dry_run:
        for change in changes:
            output.write(f"{'keep' if change.kept else 'write'} {folder / change.path}")
        return
    here = folder.resolve() == Path.cwd()
    steps = [] if here else [f"cd {shlex.quote(os.fspath(folder))}"]
    created = folder.resolve().name if here else folder
    if not recipe.is_installed(profile.requirements):
        steps.append("pip install -r requirements.txt")
    output.write("\n  ".join([f"Created {created}. Next:", *steps, "fluxlit dev"]))
    for note in (*(each.note for each in adopted), *_kept(changes, profile), profile.note):
        if note:
            output.note(note)


def _kept(changes: tuple[Change, ...], profile: Profile) -> list[str]:
    kept = [str(change.path) for change in changes if change.kept]
    if not kept:
        return []
    wanted = ", ".join(profile.requirements)
    return [f"Not changed: {', '.join(kept)}. The project needs {wanted}, and pytest for its tests."]
