"""The entry of the `fluxlit` command: everything that can go wrong ends here, as one message and an exit code.

It imports hardly anything, because a command that starts a server is to start the worker before all else; see
`head_start`.
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
        import traceback  # noqa: PLC0415  # most commands succeed

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
