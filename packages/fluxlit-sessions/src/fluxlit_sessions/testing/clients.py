"""Stores as the suite uses them, blocking or async."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, Unpack, cast

from fluxlit_sessions.options import StoreOptions
from fluxlit_sessions.store import SessionStore


class MakeStore(Protocol):
    """Opens one more client of the storage under test; the suite closes it."""

    def __call__(self, **options: Unpack[StoreOptions]) -> SessionStore:
        """Returns a new store object."""
        ...


class AsyncSide:
    """Calls the async methods of a store by the names of the blocking ones."""

    def __init__(self, store: SessionStore, runner: asyncio.Runner) -> None:
        self.store = store
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.store, f"a{name}" if hasattr(self.store, f"a{name}") else name)
        if not callable(found) or name == "derive_id":  # it has no I/O, and so no async twin
            return found

        def call(*args: Any, **options: Any) -> Any:
            result = found(*args, **options)
            return self._runner.run(_collect(result) if name == "list" else result)

        return call

    def together(self, calls: list[tuple[str, tuple[Any, ...]]]) -> list[Any]:
        """Runs calls as concurrent tasks; returns results and exceptions in order."""

        async def run() -> list[Any]:
            tasks = [getattr(self.store, f"a{name}")(*args) for name, args in calls]
            return await asyncio.gather(*tasks, return_exceptions=True)

        return self._runner.run(run())


async def _collect(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


def together(store: SessionStore, *calls: tuple[Any, ...]) -> list[Any]:
    """Runs calls (method name, arguments...) at once; returns all results.

    Exceptions are results, too.
    """
    parts = [(call[0], call[1:]) for call in calls]
    if isinstance(store, AsyncSide):
        return store.together(parts)
    with ThreadPoolExecutor(len(parts)) as threads:
        return list(threads.map(lambda part: _caught(getattr(store, part[0]), part[1]), parts))


def _caught(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    try:
        return function(*args)
    except Exception as error:  # noqa: BLE001 - it is the result that the test looks at
        return error


class Clients:
    """Opens and closes the stores of one test.

    Args:
        make: opens one.
        use_async: drive the async methods.
    """

    def __init__(self, make: MakeStore, *, use_async: bool) -> None:
        self._make, self._opened = make, list[SessionStore]()
        self._runner = asyncio.Runner() if use_async else None

    def __call__(self, **options: Unpack[StoreOptions]) -> SessionStore:
        """Returns a new client."""
        store = self._make(**options)
        self._opened.append(store)
        return cast(SessionStore, AsyncSide(store, self._runner)) if self._runner else store

    def close(self) -> None:
        """Closes all of them."""
        for store in self._opened:
            if self._runner:
                self._runner.run(store.aclose())
            store.close()
        self._opened.clear()

    def end(self) -> None:
        """Closes all of them and the event loop."""
        self.close()
        if self._runner:
            self._runner.close()
