"""`fluxlit auth sessions list` and `revoke`: who is logged in, and ending that (ASVS 5.0, 7.4.5)."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from fluxlit_auth.command.effective import effective_settings
from fluxlit_auth.errors import AuthError
from fluxlit_auth.login.session_administration import Entry, SessionAdministration
from fluxlit_sessions import SessionError

SUCCESS, FAILURE = 0, 1
SHORT = 12
WHY = "an operator has revoked it"

auth = typer.Typer(
    help="Look after the logins of an application.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
sessions = typer.Typer(help="Who is logged in.", no_args_is_help=True, rich_markup_mode=None)
auth.add_typer(sessions, name="sessions")

Target = Annotated[
    str | None,
    typer.Argument(
        metavar="TARGET",
        help="The FluxLit object, module:attribute, whose settings are used. By default FLUXLIT_APP, else target in "
        "the project file, else app:app.",
        show_default=False,
    ),
]
Store = Annotated[
    str | None,
    typer.Option("--store", metavar="URL", help="Session store to look in, in place of session_store of the settings."),
]
User = Annotated[str | None, typer.Option("--user", metavar="SUBJECT", help="Only this user: the sub of the ID token.")]
Issuer = Annotated[
    str | None, typer.Option("--issuer", metavar="URL", help="Only users for whom this provider vouches.")
]
Handles = Annotated[
    list[str] | None,
    typer.Option("--handle", metavar="HANDLE", help="This login, as `list` names it; may be shortened and repeated."),
]
Everybody = Annotated[bool, typer.Option("--all", help="Every login.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")]

Task = Callable[[SessionAdministration], Awaitable[int]]


@sessions.command("list")
def list_sessions(
    target: Target = None, *, user: User = None, issuer: Issuer = None, store: Store = None, as_json: Json = False
) -> int:
    """List who is logged in: handle, user, since when, last use, end, provider.

    Nothing that is shown opens a session. The last use is written down once in a while only.
    """

    async def show(administration: SessionAdministration) -> int:
        found = await administration.entries(user=user, issuer=issuer)
        if as_json:
            _answer({"sessions": [_facts(each) for each in found]})
        else:
            _table(found)
        return SUCCESS

    return _administer(target, store, show, as_json=as_json)


@sessions.command("revoke")
def revoke(
    target: Target = None,
    *,
    user: User = None,
    issuer: Issuer = None,
    handle: Handles = None,
    everybody: Everybody = False,
    store: Store = None,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """End logins: of a user, by handle, or all. Their open pages are closed within a second, on every replica.

    What is asked for must be said: --user, --handle or --all. A user who may still sign in at the provider can do so
    again; close the account there first. Exit code 1: nobody like that is logged in, or the question was not
    answered with yes.
    """
    if sum((user is not None, bool(handle), everybody)) != 1:
        raise typer.BadParameter("say whose logins to end: one of --user, --handle and --all.")
    if not yes and (as_json or not sys.stdin.isatty()):
        raise typer.BadParameter("there is nobody to ask; confirm with --yes.")

    async def end(administration: SessionAdministration) -> int:
        found = await administration.entries(user=user, issuer=issuer)
        chosen = _chosen(found, handle) if handle else found
        if not chosen:
            return _refuse("Nobody like that is logged in.", as_json=as_json)
        if not yes and not _confirmed(chosen):
            return _refuse("Nothing was done.", as_json=as_json)
        await administration.end([each.handle for each in chosen], WHY)
        if as_json:
            _answer({"revoked": [_facts(each) for each in chosen]})
        else:
            typer.echo(_count(chosen) + " ended")
        return SUCCESS

    return _administer(target, store, end, as_json=as_json)


def _administer(target: str | None, store: str | None, task: Task, *, as_json: bool) -> int:
    try:
        administration = SessionAdministration(effective_settings(target, store))
        return asyncio.run(_closing(administration, task))
    except (AuthError, SessionError) as error:
        return _refuse(str(error), as_json=as_json)


async def _closing(administration: SessionAdministration, task: Task) -> int:
    try:
        return await task(administration)
    finally:
        await administration.close()


def _chosen(found: Sequence[Entry], handles: Sequence[str]) -> list[Entry]:
    """The logins with these handles; a beginning is enough if it is long enough to mean one only.

    Raises:
        AuthError: a handle means none, or several.
    """
    chosen: dict[str, Entry] = {}
    for handle in handles:
        meant = [each for each in found if each.handle.startswith(handle.lower())]
        if len(meant) != 1 or len(handle) < SHORT:
            known = "several logins begin so" if meant else "no login has this handle"
            raise AuthError(f"--handle {handle}: {known}. `fluxlit auth sessions list` shows them; {SHORT} characters "
                            f"are the least.")  # fmt: skip
        chosen[meant[0].handle] = meant[0]
    return list(chosen.values())


def _confirmed(chosen: Sequence[Entry]) -> bool:
    _table(chosen, err=True)
    return typer.confirm(f"End {_count(chosen)}?", err=True)


def _count(entries: Sequence[Entry]) -> str:
    return "1 login" if len(entries) == 1 else f"{len(entries)} logins"


def _table(entries: Sequence[Entry], *, err: bool = False) -> None:
    """One line each; the handle is shortened, which is enough to name it."""
    if not entries:
        typer.echo("Nobody is logged in.", err=True)
        return
    names = [_line(each.user) for each in entries]
    width = max(len("user"), *map(len, names))
    head = f"{'handle':<{SHORT}}  {'user':<{width}}  {'since':<16}  {'last use':<16}  {'ends':<16}  provider"
    typer.echo(head, err=err)
    for each, name in zip(entries, names, strict=True):
        times = "  ".join(_time(moment) for moment in (each.since, each.used, each.ends))
        typer.echo(f"{each.handle[:SHORT]}  {name:<{width}}  {times}  {_line(each.issuer)}", err=err)


def _line(text: str) -> str:
    """Text of the provider's choice, made harmless for a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def _facts(entry: Entry) -> dict[str, str]:
    return {
        "handle": entry.handle,
        "user": entry.user,
        "issuer": entry.issuer,
        "since": entry.since.isoformat(),
        "last_use": entry.used.isoformat(),
        "ends": entry.ends.isoformat(),
    }


def _answer(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(document, indent=2))


def _refuse(message: str, *, as_json: bool) -> int:
    if as_json:
        _answer({"error": message})
    else:
        typer.echo(f"error: {message}", err=True)
    return FAILURE
