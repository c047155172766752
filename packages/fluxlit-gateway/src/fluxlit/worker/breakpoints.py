"""`breakpoint()` in a page, during development.

A worker has neither the terminal's standard input nor the terminal itself, as it leads a session of its own. So the
gateway names its terminal, and the debugger opens that.
"""

from __future__ import annotations

import os
import sys
from typing import Any


def terminal() -> str:
    """Return the terminal of this process; empty without one."""
    try:
        return os.ttyname(sys.stdin.fileno())
    except (OSError, ValueError, AttributeError):
        return ""


def use_terminal(path: str) -> None:
    """Let `breakpoint()` use a terminal, unless another debugger is chosen.

    Args:
        path: the terminal; empty for none.
    """
    if not path or "PYTHONBREAKPOINT" in os.environ or sys.breakpointhook is not sys.__breakpointhook__:
        return

    def stop(*_: Any, **__: Any) -> None:
        import pdb  # noqa: PLC0415, T100  (asked for)

        frame = sys._getframe(1)  # noqa: SLF001  (the caller of breakpoint())
        number = os.open(path, os.O_RDWR | os.O_NOCTTY)
        reader = os.fdopen(number, "r", encoding="utf-8", errors="replace")
        writer = os.fdopen(os.dup(number), "w", encoding="utf-8", errors="replace")
        pdb.Pdb(stdin=reader, stdout=writer).set_trace(frame)

    sys.breakpointhook = stop
