# ruff: noqa: PLC0415, SLF001
"""All of Streamlit's script threads that FluxLit touches although it is not public: how they start.

Streamlit runs each script in a new thread, which the event loop starts. `threading.Thread.start` waits until the new
thread says that it runs. To say so the thread needs the interpreter's lock, and once it has that it goes on with the
script: the event loop, where everybody's messages pass, stands still until the script gives the lock away, which is at
its end for one that takes less than `sys.getswitchinterval`. Nothing in Streamlit needs that wait.

With a Python or a Streamlit that starts threads in another way they start as they would without this module.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

logger = logging.getLogger("fluxlit.ui")

_PATIENCE_S = 5.0


class ScriptThread(threading.Thread):
    """A thread whose `start` comes back at once. All else is as with any other thread."""

    def start(self) -> None:
        """Start the thread; it may run only later."""
        started: Any = self._started  # type: ignore[attr-defined]
        started.wait = _do_not_wait
        try:
            super().start()
            self._asked = True
        finally:
            del started.wait

    def join(self, timeout: float | None = None) -> None:
        """Wait for the thread's end, for its beginning first if need be."""
        if getattr(self, "_asked", False):
            self._started.wait(timeout)  # type: ignore[attr-defined]
        super().join(timeout)


def _do_not_wait(timeout: float | None = None) -> bool:
    del timeout
    return True


def start_scripts_at_once() -> Callable[[], None]:
    """Have the event loop go on while a script's thread starts.

    Returns:
        What ends that.
    """
    from streamlit.runtime.scriptrunner import script_runner

    module: Any = script_runner
    try:
        _probe(module)
    except Exception as error:  # noqa: BLE001  (whatever a new release does with its own parts)
        logger.debug("The event loop waits for each script's thread: %s: %s", type(error).__name__, error)
        return lambda: None
    module.threading = SimpleNamespace(**{**vars(threading), "Thread": ScriptThread})
    return lambda: setattr(module, "threading", threading)


def _probe(module: Any) -> None:
    """Start one such thread, and look where Streamlit takes its own from."""
    ran = threading.Event()
    thread = ScriptThread(target=ran.set, daemon=True)
    thread.start()
    thread.join(_PATIENCE_S)
    if not ran.is_set() or thread.is_alive() or "wait" in vars(thread._started):  # type: ignore[attr-defined]
        raise RuntimeError("threads start in another way")
    names = module.ScriptRunner.start.__code__.co_names
    if module.threading is not threading or not {"threading", "Thread"} <= set(names):
        raise TypeError("scripts run in another kind of thread")
