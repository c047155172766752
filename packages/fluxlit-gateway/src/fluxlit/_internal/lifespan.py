"""The lifespan of an application inside ours (ASGI lifespan 2.0)."""

from __future__ import annotations

import asyncio
from typing import Any

from fluxlit._internal.asgi import Application, Message
from fluxlit.errors import FluxLitError

CANCEL_S = 1.0
"""Seconds that a lifespan gets to notice that it was cancelled; one that will not is left to the end of the loop."""


class LifespanError(FluxLitError):
    """The application's own start-up or shutdown failed."""


class Lifespan:
    """One application's start-up and shutdown, each once.

    Attributes:
        state: what the application's lifespan yielded; belongs in the scope of every request.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._reply: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self.state: dict[str, Any] = {}

    async def start(self) -> None:
        """Run the start-up.

        Raises:
            LifespanError: it failed; the application's own exception is the cause.
        """
        self._task = asyncio.create_task(self._run())
        await self._ask("lifespan.startup")

    async def stop(self, within: float) -> None:
        """Run the shutdown, if the start-up succeeded.

        Args:
            within: seconds that it may take; then it is cancelled.

        Raises:
            LifespanError: it failed, or was not over in time.
        """
        if self._task is None or self._task.done():
            return
        try:
            async with asyncio.timeout(within):
                await self._ask("lifespan.shutdown")
                await asyncio.wait({self._task})
        except TimeoutError:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=CANCEL_S)
            raise LifespanError(
                f"The API did not stop: the end of its lifespan took longer than {within:g} s and was cancelled. "
                f"The limit is the setting api_shutdown_timeout_s."
            ) from None
        self._task.result()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        await self._application(scope, self._inbox.get, self._send)

    async def _ask(self, kind: str) -> None:
        assert self._task is not None
        self._reply = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait({"type": kind})
        await asyncio.wait({self._reply, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if self._reply.done():
            error = self._reply.exception()
            # Starlette reports a failure and then raises the application's own exception, which holds more.
            cause = (await asyncio.gather(self._task, return_exceptions=True))[0] if error else None
            if error:
                raise self._failure(kind, cause if isinstance(cause, BaseException) else error) from cause or error
            return
        self._reply.cancel()
        if (cause := self._task.exception()) is not None:
            raise self._failure(kind, cause) from cause

    @staticmethod
    def _failure(kind: str, cause: BaseException) -> LifespanError:
        what = "start" if kind == "lifespan.startup" else "stop"
        text = str(cause).strip().splitlines()
        return LifespanError(
            f"The API did not {what}: its lifespan raised {type(cause).__name__}: {text[-1] if text else ''}"
        )

    async def _send(self, message: Message) -> None:
        assert self._reply is not None
        if self._reply.done():
            return
        if message["type"].endswith(".failed"):
            self._reply.set_exception(LifespanError(message.get("message", "")))
        else:
            self._reply.set_result(None)
