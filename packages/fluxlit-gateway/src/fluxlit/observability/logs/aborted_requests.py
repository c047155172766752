"""One line instead of a traceback for requests cut off at the stop."""

from __future__ import annotations

import asyncio
import logging

MESSAGE = "A request was cut off: the server stops, and waits no longer."


class CutOffFilter(logging.Filter):
    """Rewrites uvicorn's report of a cancelled request.

    uvicorn cancels requests only when it stops: after the graceful timeout, and after a second Ctrl-C.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        if (
            record.name == "uvicorn.error"
            and record.exc_info
            and isinstance(record.exc_info[1], asyncio.CancelledError)
        ):
            record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
            record.msg, record.args, record.exc_info, record.exc_text = MESSAGE, (), None, None
        return True
