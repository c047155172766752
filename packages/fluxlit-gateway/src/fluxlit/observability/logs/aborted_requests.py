"""One line in place of a traceback where the server's end has cut a request off."""

from __future__ import annotations

import asyncio
import logging

MESSAGE = "A request was cut off: the server stops, and waits no longer."


class CutOffFilter(logging.Filter):
    """Rewrites uvicorn's report of a cancelled request, which would show nothing but where the request waited.

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
