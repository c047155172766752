"""Keep one child process alive, whatever it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluxlit.lazy import lazy_exports

if TYPE_CHECKING:
    from fluxlit.supervisor.backoff import Backoff
    from fluxlit.supervisor.lifeline import Lifeline
    from fluxlit.supervisor.process import ChildProcess
    from fluxlit.supervisor.spawned import Command, Spawned
    from fluxlit.supervisor.state import State
    from fluxlit.supervisor.supervisor import Policy, Status, Supervisor

__all__ = ["Backoff", "ChildProcess", "Command", "Lifeline", "Policy", "Spawned", "State", "Status", "Supervisor"]

# A process is started before anything else is done, and the child needs no more than its end of the lifeline: neither
# may wait for asyncio to be imported.
__getattr__ = lazy_exports(
    __name__,
    {
        "fluxlit.supervisor.backoff": ("Backoff",),
        "fluxlit.supervisor.lifeline": ("Lifeline",),
        "fluxlit.supervisor.process": ("ChildProcess",),
        "fluxlit.supervisor.spawned": ("Command", "Spawned"),
        "fluxlit.supervisor.state": ("State",),
        "fluxlit.supervisor.supervisor": ("Policy", "Status", "Supervisor"),
    },
)
