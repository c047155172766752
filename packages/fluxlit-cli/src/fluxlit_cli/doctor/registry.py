"""All checks: FluxLit's own, and those of other distributions.

Another distribution adds a check through the entry-point group ``fluxlit.checks``. The name of the entry point is
the name of the check; it points to a function that is called with the `Subject`. The function needs nothing of
FluxLit: it returns ``None`` where there is nothing to look at, else status ("pass", "warn" or "fail"), detail and
remedy.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

from fluxlit_cli.doctor import application, configured, installed, network, resources
from fluxlit_cli.doctor.check import Check, Needs, Outcome, Status, failed, skipped
from fluxlit_cli.doctor.subject import Subject

GROUP = "fluxlit.checks"

BUILT_IN: tuple[Check, ...] = (
    *installed.CHECKS,
    *application.CHECKS,
    *configured.CHECKS,
    *network.CHECKS,
    *resources.CHECKS,
)


def all_checks() -> list[Check]:
    """Return every check, FluxLit's own first; none of them can be replaced."""
    names = {check.name for check in BUILT_IN}
    added = sorted(metadata.entry_points(group=GROUP), key=lambda entry: entry.name)
    return [*BUILT_IN, *(_added(entry) for entry in added if entry.name not in names)]


def _added(entry: metadata.EntryPoint) -> Check:
    owner = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
    try:
        function = entry.load()
    except Exception as error:  # noqa: BLE001  (whatever another package raises)
        told = f"{owner} adds this check, but it cannot be loaded: {type(error).__name__}: {error}"
        return Check(entry.name, f"a check of {owner}", lambda _: failed(told, f"Upgrade or uninstall {owner}."))
    summary = (inspect.getdoc(function) or f"a check of {owner}").splitlines()[0].rstrip(".")
    return Check(entry.name, summary, _adapted(function, owner), Needs.APPLICATION)


def _adapted(function: Callable[[Subject], Sequence[Any] | None], owner: str) -> Callable[[Subject], Outcome]:
    def examine(subject: Subject) -> Outcome:
        found = function(subject)
        if found is None:
            return skipped("nothing to look at.")
        try:
            status, detail, remedy = found
            return Outcome(Status(status), str(detail), str(remedy))
        except (TypeError, ValueError):
            return failed(
                f"the check returned {found!r}, and not status, detail and remedy.", f"Report this to {owner}."
            )

    return examine
