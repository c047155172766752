"""The entry of the `fluxlit` command: everything that can go wrong ends here, as one message and an exit code.

Nothing of `fluxlit` is imported before a command needs it, because importing FastAPI and pydantic alone
takes longer than `fluxlit --help` may.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from fluxlit_cli import exit_codes, output, version
from fluxlit_cli.commands import Commands

EPILOG = (
    "Exit codes: 0 success; 1 something is wrong with the input, the message says what; "
    "2 wrong use of the command line; 3 the application could not be started."
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
        output.say(version.describe())
        raise typer.Exit


@app.callback()
def fluxlit(
    context: typer.Context,
    *,
    show_version: Annotated[  # noqa: ARG001  (its callback acts)
        bool,
        typer.Option("--version", "-V", help="Show the installed versions.", is_eager=True, callback=_print_version),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,  # noqa: ARG001  (see run)
) -> None:
    """FastAPI and Streamlit on one port."""
    if context.invoked_subcommand is None:
        output.note(context.get_help())
        raise typer.Exit(exit_codes.USAGE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    _keep_standard_streams()
    given = list(sys.argv[1:] if arguments is None else arguments)
    code = run(given)
    _flush()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; no exception leaves."""
    try:
        result = app(args=list(arguments), prog_name="fluxlit", standalone_mode=False)
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    except Exception as error:  # noqa: BLE001  (the outermost boundary: whatever it is, a person reads it)
        return _report(error, debug=output.wants_tracebacks(arguments))
    return result if isinstance(result, int) else exit_codes.SUCCESS


def _keep_standard_streams() -> None:
    """Give a stream that is closed a place where nobody listens.

    The next socket or file would get its number, and whatever anybody prints would be written into it.
    """
    if os.name != "posix":
        return
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # The lowest free number, and so this one.
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _report(error: Exception, *, debug: bool) -> int:
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    output.error(output.sentence(error))
    return exit_codes.of(error)


def _flush() -> None:
    """Write what is left, or drop it where nobody listens; the interpreter would complain at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            output.abandon(stream)
