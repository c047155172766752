"""Load changed pages into a running process, in development.

Sessions stay. The user's modules are taken out of `sys.modules`, and the target is imported again. If that succeeds the
new pages are shown from the next run on; if not, the old modules are put back and go on serving. Only modules with a
file in the project are taken out: what is installed stays, so that a reload takes as long as the user's own code does.

A run that is under way keeps the modules that it has. One that begins during the import still shows the old pages.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from fluxlit._internal.reimport import Project
from fluxlit.errors import FluxLitError
from fluxlit.worker.app_context import current, load_app_context, show
from fluxlit.worker.worker_spec import WorkerSpec


def reload_pages(spec: WorkerSpec) -> str:
    """Import the user's code again; blocks while it does.

    Returns:
        One line about what was done.

    Raises:
        FluxLitError: the code cannot be loaded, or registers its pages wrongly. The old code goes on serving.
    """
    started = time.perf_counter()
    project = Project(Path(spec.project_root))
    count = len(project.loaded())
    try:
        with project.reimported():
            if spec.script is None and spec.target is not None:
                show(load_app_context(spec.target, spec.effective_settings(), current().visitor))
    except FluxLitError:
        raise
    except (Exception, SystemExit) as error:
        raise FluxLitError(f"{type(error).__name__} while loading {spec.target}: {error}") from error
    # A script imports what it needs at its next run.
    return f"{count} module{'' if count == 1 else 's'} reloaded in {_ms(started)} ms"


def report_fault(text: str) -> None:
    """Show, above the pages that still serve, why the last reload failed."""
    context = current()
    show(dataclasses.replace(context, fault=text))


def _ms(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)
