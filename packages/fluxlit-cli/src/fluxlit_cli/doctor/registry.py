"""All checks: FluxLit's own, and those of other distributions.

Another distribution adds a check through the entry-point group ``fluxlit.checks``. The name of the entry point is
the name of the check; it points to a function that is called with the `Subject`. The function needs no import of
FluxLit: it returns ``None`` if it does not apply, else status ("pass", "warn" or "fail"), detail and remedy.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

from fluxlit_cli.doctor import application, configuration, installation, network, resources
from fluxlit_cli.doctor.check import Check, Needs
from fluxlit_cli.doctor.subject import Subject
from fluxlit_cli.finding import Finding, Status, failed, skipped

GROUP = "fluxlit.checks"

BUILT_IN: tuple[Check, ...] = (
    *installation.CHECKS,
    *application.CHECKS,
    *configuration.CHECKS,
    *network.CHECKS,
    *resources.CHECKS,
)


def all_checks() -> list[Check]:
    """Return all checks, FluxLit's own first; those cannot be replaced."""
    names = {check.name for check in BUILT_IN}
    added = sorted(metadata.entry_points(group=GROUP), key=lambda entry: entry.name)
    return [*BUILT_IN, *(_added(entry) for entry in added if entry.name not in names)]


def _added(entry: metadata.EntryPoint) -> Check:
    owner = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
    try:
        function = entry.load()
    except Exception as error:  # noqa: BLE001  (code of another distribution)
        detail = f"{owner} adds this check, but it cannot be loaded: {type(error).__name__}: {error}"
        return Check(entry.name, f"a check of {owner}", lambda _: failed(detail, f"Upgrade or uninstall {owner}."))
    summary = (inspect.getdoc(function) or f"a check of {owner}").splitlines()[0].rstrip(".")
    return Check(entry.name, summary, _adapted(function, owner), Needs.APPLICATION)


def _adapted(function: Callable[[Subject], Sequence[Any] | None], owner: str) -> Callable[[Subject], Finding]:
    def examine(subject: Subject) -> Finding:
        found = function(subject)
        if found is None:
            return skipped("not applicable.")
        try:
            status, detail, remedy = found
            return Finding(Status(status), str(detail), str(remedy))
        except (TypeError, ValueError):
            return failed(
                f"the check returned {found!r} instead of status, detail and remedy.", f"Report this to {owner}."
            )

    return examine
