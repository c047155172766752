"""Keep one child process alive, whatever it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluxlit._internal.lazy import lazy_exports

if TYPE_CHECKING:
    from fluxlit.supervisor.backoff import Backoff
    from fluxlit.supervisor.child_process import ChildProcess
    from fluxlit.supervisor.driver import Policy, Status, Supervisor
    from fluxlit.supervisor.lifeline import Lifeline
    from fluxlit.supervisor.spawn import Command, Spawned
    from fluxlit.supervisor.state import State

__all__ = ["Backoff", "ChildProcess", "Command", "Lifeline", "Policy", "Spawned", "State", "Status", "Supervisor"]

# A process is started before anything else is done, and the child needs no more than its end of the lifeline: neither
# may wait for asyncio to be imported.
__getattr__ = lazy_exports(
    __name__,
    {
        "fluxlit.supervisor.backoff": ("Backoff",),
        "fluxlit.supervisor.lifeline": ("Lifeline",),
        "fluxlit.supervisor.child_process": ("ChildProcess",),
        "fluxlit.supervisor.spawn": ("Command", "Spawned"),
        "fluxlit.supervisor.state": ("State",),
        "fluxlit.supervisor.driver": ("Policy", "Status", "Supervisor"),
    },
)
