"""Every error that FluxLit raises on purpose.

FluxLitError
├── SettingsError       one or more settings are wrong
├── TargetError         the "module:attribute" target cannot be loaded
├── PageError           a page cannot be registered
├── WorkerError         a Streamlit worker did not start, or died
├── AddressInUseError   the public address is taken
├── AlreadyRunningError the pid file belongs to a process that is alive
└── ClientError         an ApiClient was used wrongly

A message states what is wrong, where, and what to do. Commands show the message
alone: a traceback adds nothing to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class FluxLitError(Exception):
    """Base of all errors that FluxLit raises on purpose."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with one setting.

    Attributes:
        setting: name of the setting as in ``fluxlit.toml``.
        message: what is wrong and what to do.
        where: the variable, flag or ``file:line`` that holds the bad value.
        in_file: a file holds it, so that saving may fix it; not the command line or the environment.
    """

    setting: str
    message: str
    where: str
    in_file: bool = True

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class SettingsError(FluxLitError):
    """One or more settings are wrong; `problems` holds all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        head = "A setting is wrong:" if len(self.problems) == 1 else f"{len(self.problems)} settings are wrong:"
        super().__init__("\n".join([head, *(f"  {problem}" for problem in self.problems)]))


class TargetError(FluxLitError):
    """The target does not name a FluxLit object that can be imported.

    Attributes:
        target: the target as it was given.
    """

    def __init__(self, target: str, message: str) -> None:
        self.target = target
        super().__init__(message)


class PageError(FluxLitError):
    """A page cannot be registered as asked."""


class WorkerError(FluxLitError):
    """A Streamlit worker did not become ready, or died.

    Attributes:
        exit_code: the exit code of the process (negative: the signal that ended it), `None` while it lives.
        output: the last lines that it printed.
    """

    def __init__(self, message: str, *, exit_code: int | None = None, output: Sequence[str] = ()) -> None:
        self.exit_code = exit_code
        self.output = tuple(output)
        super().__init__(message)


class AddressInUseError(FluxLitError):
    """Another process listens on the configured address.

    Attributes:
        host: the address, or the path of a UNIX socket.
        port: the port; `None` for a UNIX socket.
    """

    def __init__(self, host: str, port: int | None = None) -> None:
        self.host = host
        self.port = port
        if port is None:
            super().__init__(
                f"Socket {host} is already in use. Stop the program that listens there, or choose another file with "
                f"--uds, FLUXLIT_GATEWAY_UDS or gateway_uds in fluxlit.toml."
            )
            return
        super().__init__(
            f"Address {host}:{port} is already in use. Stop the program that listens there, or choose another port "
            f"with --port, FLUXLIT_GATEWAY_PORT or gateway_port in fluxlit.toml (0 lets the system choose)."
        )


class AlreadyRunningError(FluxLitError):
    """The pid file belongs to a process that is alive.

    Attributes:
        path: the file.
        pid: the process, if the file names it.
    """

    def __init__(self, path: Path, pid: int | None) -> None:
        self.path = path
        self.pid = pid
        super().__init__(
            f"The pid file {path} belongs to a server that runs{f' as process {pid}' if pid else ''}. Stop it with "
            f"`fluxlit shutdown`, or choose another file with --pidfile."
        )


class ClientError(FluxLitError):
    """An ApiClient was asked for something that it must not do."""
