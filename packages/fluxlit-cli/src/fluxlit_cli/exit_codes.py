"""The exit codes of the `fluxlit` command."""

from __future__ import annotations

SUCCESS = 0
FAILURE = 1
USAGE = 2
# uvicorn leaves with 3 when an application does not start; process managers can distinguish it from a crash.
NOT_STARTED = 3
INTERRUPTED = 130

# Names, to not import the modules for other commands.
_START = {"AddressInUseError", "AlreadyRunningError", "WorkerError", "LifespanError"}


def of(error: Exception) -> int:
    """Return the exit code for an error that ended a command."""
    if any(cls.__name__ in _START and cls.__module__.startswith("fluxlit.") for cls in type(error).__mro__):
        return NOT_STARTED
    code = getattr(error, "exit_code", None)
    return code if hasattr(error, "format_message") and isinstance(code, int) else FAILURE
