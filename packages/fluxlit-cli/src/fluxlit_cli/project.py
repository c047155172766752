"""The application that a command works on, or why it has none."""

from __future__ import annotations

import contextlib
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from fluxlit.errors import FluxLitError
from fluxlit.pages.adoption import load_any
from fluxlit.settings import resolve_target
from fluxlit.settings.provenance import Source
from fluxlit.settings.target import DEFAULT_TARGET

if TYPE_CHECKING:
    from fluxlit import FluxLit


@dataclass(frozen=True)
class Project:
    """The result of importing a target.

    Attributes:
        target: the target, given or default.
        source: the layer that set the target.
        application: the FluxLit object; `None` if it cannot be imported.
        problem: why it cannot be imported.
        seconds: how long the import took.
    """

    target: str
    source: Source
    application: FluxLit | None
    problem: str = ""
    seconds: float = 0.0

    @property
    def arguments(self) -> Mapping[str, object]:
        """The settings passed to `FluxLit(...)`."""
        return self.application.setting_arguments if self.application is not None else {}


def open_project(target: str | None, flags: Mapping[str, object] | None = None) -> Project:
    """Import the application of a target.

    Output of its modules goes to standard error.

    Args:
        target: ``module:attribute``; `None` to take it from the other layers.
        flags: values of command-line options by name of the setting.

    Raises:
        SettingsError: a layer cannot be read, so the target is unknown.
    """
    resolved = resolve_target(flags={**(flags or {}), **({"target": target} if target else {})})
    wanted = resolved.target
    started = time.monotonic()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            loaded = load_any(wanted, resolved.directory)
    except FluxLitError as error:
        return Project(wanted or DEFAULT_TARGET, resolved.source, None, str(error))
    except SystemExit as error:
        wanted = wanted or DEFAULT_TARGET
        return Project(wanted, resolved.source, None, _exit_problem(wanted, error))
    seconds = time.monotonic() - started
    return Project(loaded.target, resolved.source, cast("FluxLit", loaded.application), seconds=seconds)


def _exit_problem(target: str, error: SystemExit) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"Target {target!r} cannot be imported: it calls sys.exit ({frame.filename}:{frame.lineno}). "
        f'Put code that must only run when the file is executed below `if __name__ == "__main__":`.'
    )
