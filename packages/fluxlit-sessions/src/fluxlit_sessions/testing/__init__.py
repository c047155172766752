"""The contract of session stores as a pytest suite, and a clock for tests.

It needs pytest and hypothesis.
"""

from fluxlit_sessions.testing.clients import MakeStore
from fluxlit_sessions.testing.clock import ManualClock
from fluxlit_sessions.testing.contract import SessionStoreContract
from fluxlit_sessions.testing.model import store_machine

__all__ = ["MakeStore", "ManualClock", "SessionStoreContract", "store_machine"]
