"""A delay between SIGTERM and the end, under `uvicorn app:app`.

uvicorn stops listening as soon as it has heard SIGTERM, and an application learns of that only when it is over. So
that a load balancer sees readiness turn 503 while everything is still served, its handler is called later.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def delay_sigterm(delay: float, drain: Callable[[], None]) -> Iterator[None]:
    """Put the handler of SIGTERM off; a second SIGTERM calls it at once.

    Nothing happens without a delay, without a handler in Python, and outside of the main thread, which alone gets
    signals.

    Args:
        delay: seconds.
        drain: called when SIGTERM has come.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if not delay or not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    waiting: list[asyncio.TimerHandle] = []

    def begin(frame: FrameType | None) -> None:
        if waiting:
            waiting[0].cancel()
            handler(signal.SIGTERM, frame)
        else:
            drain()
            waiting.append(loop.call_later(delay, handler, signal.SIGTERM, frame))

    def signalled(_number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(begin, frame)  # a handler may interrupt the loop anywhere

    signal.signal(signal.SIGTERM, signalled)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is signalled:
            signal.signal(signal.SIGTERM, handler)
