"""The options of `fluxlit` itself, before a command.

Nothing of `fluxlit` is imported before a command needs it, because importing FastAPI and pydantic alone
takes longer than `fluxlit --help` may.
"""

from __future__ import annotations

from typing import Annotated

import typer

from fluxlit_cli import exit_codes, output, version
from fluxlit_cli.commands import DOCS, Commands

EPILOG = (
    f"\b\nExample: fluxlit new portal\nMore: {DOCS}index.md\n\n"
    "Exit codes: 0 success; 1 invalid input or a failed check, as the message explains; "
    "2 invalid command line; 3 the application could not be started."
)

app = typer.Typer(
    cls=Commands,
    name="fluxlit",
    help="FastAPI and Streamlit on one port.",
    epilog=EPILOG,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001  (Typer calls it)
    if wanted:
        output.write(version.describe())
        raise typer.Exit


@app.callback()
def fluxlit(
    context: typer.Context,
    *,
    show_version: Annotated[  # noqa: ARG001  (its callback acts)
        bool,
        typer.Option("--version", "-V", help="Show the installed versions.", is_eager=True, callback=_print_version),
    ] = False,
    debug: Annotated[bool, typer.Option(output.DEBUG, help="Show tracebacks.")] = False,  # noqa: ARG001  (see run)
) -> None:
    """FastAPI and Streamlit on one port."""
    if context.invoked_subcommand is None:
        output.note(context.get_help())
        raise typer.Exit(exit_codes.USAGE)
