"""Entry point of the `fluxlit` command; turns errors into exit codes.

Imports little, because a command that starts a server starts the worker before anything else; see `head_start`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from fluxlit_cli import exit_codes, output
from fluxlit_cli.head_start import begun, split_process_1


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    _keep_standard_streams()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if (code := split_process_1(given)) is not None:
        sys.exit(code)
    with begun(given):
        code = run(given)
    _flush()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; no exception leaves."""
    try:
        from fluxlit_cli.command_line import app  # noqa: PLC0415  # while the worker starts, if there is one

        words = [word for word in arguments if word != output.DEBUG]  # it may stand behind the command, too
        result = app(args=words, prog_name="fluxlit", standalone_mode=False)
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    except Exception as error:  # noqa: BLE001  (the outermost boundary: any error becomes a message)
        return _report(error, arguments)
    return result if isinstance(result, int) else exit_codes.SUCCESS


def _keep_standard_streams() -> None:
    """Open the null device for each closed standard stream.

    Otherwise the next socket or file would get its number, and everything printed would be written into it.
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


def _report(error: Exception, arguments: Sequence[str]) -> int:
    if help_text := output.help_of(error):
        output.note(help_text)
        return exit_codes.USAGE
    if output.DEBUG in arguments:
        import traceback  # noqa: PLC0415  # most commands succeed

        traceback.print_exception(error, file=sys.stderr)
    command = next((word for word in arguments if not word.startswith("-")), "")
    output.error(output.describe(error, f"fluxlit {command}".strip()))
    return exit_codes.of(error)


def _flush() -> None:
    """Flush the streams; drop the output if the reader has left."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            output.discard(stream)  # otherwise the interpreter reports the error at exit
