"""For tests of session stores: the contract as a suite, its model, and a clock. Needs pytest and hypothesis."""

from fluxlit_sessions.testing.clients import MakeStore
from fluxlit_sessions.testing.clock import ManualClock
from fluxlit_sessions.testing.contract import SessionStoreContract
from fluxlit_sessions.testing.model import store_machine

__all__ = ["MakeStore", "ManualClock", "SessionStoreContract", "store_machine"]
