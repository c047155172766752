"""`fluxlit auth sessions list` and `revoke` (ASVS 5.0, 7.4.5)."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from fluxlit_auth.claims import printable
from fluxlit_auth.command.project_settings import read_project_settings
from fluxlit_auth.errors import AuthError
from fluxlit_auth.login.session_administration import Entry, SessionAdministration
from fluxlit_sessions import SessionError

SUCCESS, FAILURE = 0, 1
SHORT = 12
UNREADABLE = "(unreadable)"
WHY = "revoked by an operator"

_MORE = "More: https://github.com/fluxlit/fluxlit/blob/main/docs/how-to/login.md"
_LIST = f"\b\nExample: fluxlit auth sessions list --user 3f2a\n{_MORE}"
_REVOKE = f"\b\nExample: fluxlit auth sessions revoke --user 3f2a\n{_MORE}"

auth = typer.Typer(
    help="Manage the logins of an application.",
    epilog=_LIST,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
sessions = typer.Typer(help="List and revoke logins.", epilog=_LIST, no_args_is_help=True, rich_markup_mode=None)
auth.add_typer(sessions, name="sessions")

Target = Annotated[
    str | None,
    typer.Argument(
        metavar="TARGET",
        help="The FluxLit object, module:attribute. By default FLUXLIT_APP, else target in the project file, else "
        "app:app.",
        show_default=False,
    ),
]
Store = Annotated[
    str | None,
    typer.Option("--store", metavar="URL", help="URL of the session store, in place of the configured one."),
]
User = Annotated[str | None, typer.Option("--user", metavar="SUBJECT", help="Only this user: the sub of the ID token.")]
Issuer = Annotated[str | None, typer.Option("--issuer", metavar="URL", help="Only users of this provider.")]
Handles = Annotated[
    list[str] | None,
    typer.Option("--handle", metavar="HANDLE", help="The login with this handle; may be shortened and repeated."),
]
All = Annotated[bool, typer.Option("--all", help="Every login.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

Task = Callable[[SessionAdministration], Awaitable[int]]


@sessions.command("list", epilog=_LIST)
def list_sessions(
    target: Target = None, *, user: User = None, issuer: Issuer = None, store: Store = None, as_json: Json = False
) -> int:
    """List the logins: handle, user, begin, last use, end, provider.

    The output contains nothing that opens a session. The last use is recorded from time to time only. Records under a
    former key are listed as unreadable; revoke them by handle or with --all.
    """

    async def show(administration: SessionAdministration) -> int:
        found = await administration.entries(user=user, issuer=issuer)
        if as_json:
            _print_json({"sessions": [_facts(each) for each in found]})
        else:
            _table(found)
        return SUCCESS

    return _administer(target, store, show, as_json=as_json)


@sessions.command("revoke", epilog=_REVOKE)
def revoke(
    target: Target = None,
    *,
    user: User = None,
    issuer: Issuer = None,
    handle: Handles = None,
    all_: All = False,
    store: Store = None,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Revoke the logins of a user, by handle, or all.

    Every replica closes their open pages within a second. One of --user, --handle and --all is required. A user with an
    open account at the provider can sign in again; close the account there first. Exit code 1: there is no such login,
    or the operator did not confirm.
    """
    if sum((user is not None, bool(handle), all_)) != 1:
        raise typer.BadParameter("one of --user, --handle and --all is required.")
    if not yes and (as_json or not sys.stdin.isatty()):
        raise typer.BadParameter("cannot ask for confirmation without a terminal; pass --yes.")

    async def end(administration: SessionAdministration) -> int:
        found = await administration.entries(user=user, issuer=issuer)
        chosen = _chosen(found, handle) if handle else found
        if not chosen:
            return _refuse("There is no such login.", as_json=as_json)
        if not yes and not _confirmed(chosen):
            return _refuse("Nothing was revoked.", as_json=as_json)
        await administration.end([each.handle for each in chosen], WHY)
        if as_json:
            _print_json({"revoked": [_facts(each) for each in chosen]})
        else:
            typer.echo(_count(chosen) + " revoked")
        return SUCCESS

    return _administer(target, store, end, as_json=as_json)


def _administer(target: str | None, store: str | None, task: Task, *, as_json: bool) -> int:
    try:
        administration = SessionAdministration(read_project_settings(target, store))
        return asyncio.run(_closing(administration, task))
    except (AuthError, SessionError) as error:
        return _refuse(str(error), as_json=as_json)


async def _closing(administration: SessionAdministration, task: Task) -> int:
    try:
        return await task(administration)
    finally:
        await administration.close()


def _chosen(found: Sequence[Entry], handles: Sequence[str]) -> list[Entry]:
    """Return the logins with these handles, which may be shortened.

    Raises:
        AuthError: a handle matches none, or several.
    """
    chosen: dict[str, Entry] = {}
    for handle in handles:
        meant = [each for each in found if each.handle.startswith(handle.lower())]
        if len(meant) != 1 or len(handle) < SHORT:
            reason = "it matches several logins" if len(meant) > 1 else "there is no such login"
            raise AuthError(
                f"--handle {handle}: {reason}. Pass at least {SHORT} characters of a handle of "
                f"`fluxlit auth sessions list`."
            )
        chosen[meant[0].handle] = meant[0]
    return list(chosen.values())


def _confirmed(chosen: Sequence[Entry]) -> bool:
    _table(chosen, err=True)
    return typer.confirm(f"Revoke {_count(chosen)}?", err=True)


def _count(entries: Sequence[Entry]) -> str:
    return "1 login" if len(entries) == 1 else f"{len(entries)} logins"


def _table(entries: Sequence[Entry], *, err: bool = False) -> None:
    """Print one line for each login, with a shortened handle."""
    if not entries:
        typer.echo("There are no logins.", err=True)
        return
    names = [printable(each.user) if each.readable else UNREADABLE for each in entries]
    width = max(len("user"), *map(len, names))
    head = f"{'handle':<{SHORT}}  {'user':<{width}}  {'since':<16}  {'last use':<16}  {'ends':<16}  provider"
    typer.echo(head, err=err)
    for each, name in zip(entries, names, strict=True):
        times = "  ".join(_time(moment) for moment in (each.since, each.used, each.ends))
        typer.echo(f"{each.handle[:SHORT]}  {name:<{width}}  {times}  {printable(each.issuer)}", err=err)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def _facts(entry: Entry) -> dict[str, str | bool]:
    return {
        "handle": entry.handle,
        "user": entry.user,
        "issuer": entry.issuer,
        "since": entry.since.isoformat(),
        "last_use": entry.used.isoformat(),
        "ends": entry.ends.isoformat(),
        "readable": entry.readable,
    }


def _print_json(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(document, indent=2))


def _refuse(message: str, *, as_json: bool) -> int:
    if as_json:
        _print_json({"error": message})
    else:
        typer.echo(f"error: {message}", err=True)
    return FAILURE
