"""The application that a command is about: found, imported, and its settings resolved, or the reason why not."""

from __future__ import annotations

import contextlib
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from fluxlit.errors import FluxLitError
from fluxlit.settings import resolve_target
from fluxlit.settings.provenance import Source
from fluxlit.settings.target import DEFAULT_TARGET, load

if TYPE_CHECKING:
    from fluxlit import FluxLit


@dataclass(frozen=True)
class Project:
    """What a target has led to.

    Attributes:
        target: the target, as given or found.
        source: where the target came from.
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
        """The settings that the code itself gives."""
        return self.application.setting_arguments if self.application is not None else {}


def open_project(target: str | None, flags: Mapping[str, object] | None = None) -> Project:
    """Import the application that a target names. What its modules print goes to standard error.

    Args:
        target: ``module:attribute``; `None` to find it in the other layers.
        flags: values of command-line options by name of the setting.

    Raises:
        SettingsError: a layer cannot be read, so that nobody knows the target.
    """
    found = resolve_target(flags={**(flags or {}), **({"target": target} if target else {})})
    wanted = found.target or DEFAULT_TARGET
    started = time.monotonic()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            application = cast("FluxLit", load(wanted))
    except FluxLitError as error:
        return Project(wanted, found.source, None, str(error))
    except SystemExit as error:
        return Project(wanted, found.source, None, _exits(wanted, error))
    return Project(wanted, found.source, application, seconds=time.monotonic() - started)


def _exits(target: str, error: SystemExit) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"Target {target!r} cannot be imported: it ends the program ({frame.filename}:{frame.lineno}). "
        f'What must only happen when the file is run belongs below `if __name__ == "__main__":`.'
    )
