"""`fluxlit new`: from the command line to a folder with a project in it."""

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
        help="minimal: an API, two pages and their tests. auth: with a login. deploy: with what ships it. "
        "full: with all of it, and sessions.",
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
        help="Adopt this FastAPI application as the API. Its module is imported to look at it.",
        show_default=False,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Name the files that would be written; write nothing.")]


def new(
    name: Name,
    *,
    profile: Kind = "minimal",
    from_streamlit: Script = None,
    from_fastapi: Service = None,
    dry_run: DryRun = False,
) -> int:
    """Create a project that runs at once and has tests.

    Nothing is ever overwritten. The folder must not exist, or be empty; only what is adopted may be in it
    already, and then stays as it is. What is adopted from elsewhere is copied, with the modules that it imports.
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
    _tell(folder, chosen, changes, adopted, dry_run=dry_run)
    return exit_codes.SUCCESS


def _adopted(folder: Path, script: Path | None, service: str | None) -> tuple[Adopted, ...]:
    pages = (adopt_script(script, folder),) if script is not None else ()
    return (*pages, adopt_api(service, folder)) if service is not None else pages


def _check(folder: Path, profile: Profile, adopted: tuple[Adopted, ...]) -> None:
    if not _NAME.fullmatch(folder.resolve().name):
        raise NewError(
            f'"{folder.name}" cannot name a project: use letters, digits, "-" and "_", and start with a letter, '
            f"as in my-portal."
        )
    if adopted and not profile.adopts:
        fitting = " and ".join(name for name, each in recipe.PROFILES.items() if each.adopts)
        raise NewError(
            f"The profile {profile.name} brings pages and an API of its own, so nothing can be adopted. "
            f"--from-streamlit and --from-fastapi go with the profiles {fitting}."
        )
    if folder.is_dir():
        in_place = any(each.in_place for each in adopted)
        if any(folder.iterdir()) and not in_place:
            raise NewError(f"{folder} exists and is not empty. Nothing was written; choose another name.")
    elif folder.exists():
        raise NewError(f"{folder} exists and is a file. Nothing was written; choose another name.")


def _tell(
    folder: Path, profile: Profile, changes: tuple[Change, ...], adopted: tuple[Adopted, ...], *, dry_run: bool
) -> None:
    if dry_run:
        for change in changes:
            output.say(f"{'keep' if change.kept else 'write'} {folder / change.path}")
        return
    here = folder.resolve() == Path.cwd()
    steps = [] if here else [f"cd {shlex.quote(os.fspath(folder))}"]
    made = folder.resolve().name if here else folder
    if not recipe.is_installed(profile.requirements):
        steps.append("pip install -r requirements.txt")
    output.say("\n  ".join([f"Created {made}. Next:", *steps, "fluxlit dev"]))
    for note in (*(each.note for each in adopted), *_kept(changes, profile), profile.note):
        if note:
            output.note(note)


def _kept(changes: tuple[Change, ...], profile: Profile) -> list[str]:
    kept = [str(change.path) for change in changes if change.kept]
    if not kept:
        return []
    wanted = ", ".join(profile.requirements)
    return [f"Left as it was: {', '.join(kept)}. The project needs {wanted}, and pytest for its tests."]
