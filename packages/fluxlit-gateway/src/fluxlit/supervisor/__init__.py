"""Keep one child process alive, whatever it runs."""

from fluxlit.supervisor.backoff import Backoff
from fluxlit.supervisor.lifeline import Lifeline
from fluxlit.supervisor.process import ChildProcess, Command, Spawned
from fluxlit.supervisor.state import State
from fluxlit.supervisor.supervisor import Policy, Status, Supervisor

__all__ = ["Backoff", "ChildProcess", "Command", "Lifeline", "Policy", "Spawned", "State", "Status", "Supervisor"]
