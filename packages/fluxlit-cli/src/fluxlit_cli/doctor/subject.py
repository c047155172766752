"""What checks examine: an application, its settings, a machine."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from fluxlit.errors import SettingsError
from fluxlit.server.authentication import build_auth
from fluxlit.settings import Layer, Resolved, Settings, Source, resolve
from fluxlit.settings.target import DEFAULT_TARGET
from fluxlit_cli.doctor.machine import Machine
from fluxlit_cli.project import Project, open_project

if TYPE_CHECKING:
    from fluxlit import FluxLit
    from fluxlit.auth.contract import Authenticator


class UnavailableError(Exception):
    """A prerequisite of a check is missing; another check reports it."""


class Subject:
    """An application, possibly broken, and where it would run.

    Args:
        target: ``module:attribute``; `None` to take it from the settings.
        flags: values of command-line options by name of the setting.
        machine: the machine.
        directory: where the search for the project starts.

    Attributes:
        machine: the machine.
        directory: where the search for the project started.
    """

    def __init__(
        self,
        target: str | None = None,
        flags: Mapping[str, object] | None = None,
        machine: Machine | None = None,
        directory: Path | None = None,
    ) -> None:
        self._given = target
        self.flags = {**(flags or {}), **({"target": target} if target else {})}
        self.machine = machine or Machine()
        self.directory = directory or Path.cwd()
        self.project = Project(target or DEFAULT_TARGET, Source(Layer.DEFAULT, "default"), None)
        self.settings_error: SettingsError | None = None
        self._resolved: Resolved | None = None
        self._binding = threading.Lock()
        self._bound = False

    def open(self, limit: float = 30.0) -> None:
        """Import the application and resolve the settings.

        Errors are kept for the checks. Called in the main thread, where an import that hangs can be interrupted.

        Args:
            limit: seconds for the import.
        """
        try:
            with _deadline(limit):
                self.project = open_project(self._given, self.flags)
        except SettingsError as error:
            self.settings_error = error
            return
        except _Timeout:
            problem = f"Target {self.project.target!r} cannot be imported: the import took more than {limit:g} s."
            self.project = Project(self.project.target, self.project.source, None, problem)
        try:
            self._resolved = resolve(
                flags=self.flags,
                arguments=self.project.arguments,
                environ=self.machine.environ,
                directory=self.directory,
            )
        except SettingsError as error:
            self.settings_error = error

    @property
    def application(self) -> FluxLit:
        """The FluxLit object."""
        if self.project.application is None:
            raise UnavailableError("the application cannot be imported")
        return self.project.application

    @property
    def resolved(self) -> Resolved:
        """The settings and their sources."""
        if self._resolved is None:
            raise UnavailableError("the settings are invalid")
        return self._resolved

    @property
    def settings(self) -> Settings:
        """The effective settings."""
        return self.resolved.settings

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self._resolved.project_root if self._resolved is not None else self.directory

    @property
    def login(self) -> bool:
        """Whether the application has a login."""
        application = self.project.application
        return application is not None and bool(getattr(application, "authenticators", ()))

    def authenticators(self) -> Sequence[Authenticator]:
        """Return the authenticators, set up with the settings.

        Raises:
            FluxLitError: the settings are invalid for them, or pages require roles without a login.
        """
        with self._binding:
            if not self._bound:
                build_auth(self.application, self.settings)
                self._bound = True
        return self.application.authenticators


class _Timeout(BaseException):
    """Interrupts an import."""


@contextlib.contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Interrupt the block when the time is up.

    Without effect outside the main thread and on Windows.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise _Timeout

    before = signal.signal(signal.SIGALRM, ring)
    remaining, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, remaining, interval)
