"""Operations a second, p99 and bytes per session of each session store.

Measured with blocking callers in threads and with async tasks.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from harness import running, table, until, workspace

from fluxlit_sessions import MemorySessionStore, RedisSessionStore, Session, SessionStore, SQLiteSessionStore

DATA = {"cart": [{"sku": f"item-{number}", "count": number} for number in range(20)], "filter": "new", "page": 3}
OPERATIONS = ("create", "read", "read+touch", "save", "rotate")


def once(store: SessionStore, operation: str, session: Session) -> Session | None:
    """Do one operation, and return the session as it is then."""
    match operation:
        case "create":
            return store.create(DATA)
        case "save":
            return store.save(session, DATA)
        case "rotate":
            return store.rotate(session)
    return store.read(session.id, touch=operation == "read+touch")


async def aonce(store: SessionStore, operation: str, session: Session) -> Session | None:
    """Do one operation in async code."""
    match operation:
        case "create":
            return await store.acreate(DATA)
        case "save":
            return await store.asave(session, DATA)
        case "rotate":
            return await store.arotate(session)
    return await store.aread(session.id, touch=operation == "read+touch")


def threads(store: SessionStore, operation: str, count: int, clients: int) -> tuple[float, list[float]]:
    """Run threads at once; return the seconds in all and of each operation."""

    def work(_: int) -> list[float]:
        session, taken = store.create(DATA), []
        for _ in range(count // clients):
            begun = time.perf_counter()
            session = once(store, operation, session) or session
            taken.append(time.perf_counter() - begun)
        return taken

    with ThreadPoolExecutor(clients) as pool:
        begun = time.perf_counter()
        each = [seconds for taken in pool.map(work, range(clients)) for seconds in taken]
        return time.perf_counter() - begun, each


def tasks(store: SessionStore, operation: str, count: int, clients: int) -> tuple[float, list[float]]:
    """Run tasks of one event loop at once; return seconds in all and of each."""

    async def work() -> list[float]:
        session, taken = await store.acreate(DATA), []
        for _ in range(count // clients):
            begun = time.perf_counter()
            session = await aonce(store, operation, session) or session
            taken.append(time.perf_counter() - begun)
        return taken

    async def run() -> tuple[float, list[float]]:
        begun = time.perf_counter()
        each = [seconds for taken in await asyncio.gather(*[work() for _ in range(clients)]) for seconds in taken]
        return time.perf_counter() - begun, each

    with asyncio.Runner() as runner:
        try:
            return runner.run(run())
        finally:
            runner.run(store.aclose())


def row(name: str, store: SessionStore, way: str, clients: int, count: int) -> list[str]:
    """Measure all operations of one store in one way."""
    run: Callable[..., tuple[float, list[float]]] = tasks if way == "async" else threads
    cells = []
    for operation in OPERATIONS:
        seconds, each = run(store, operation, count, clients)
        p99 = statistics.quantiles(each, n=100)[98] if len(each) > 1 else each[0]
        cells.append(f"{len(each) / seconds:,.0f}/s, {p99 * 1000:.2f} ms")
    return [name, way, str(clients), *cells]


def bytes_each(store: SessionStore, used: Callable[[], int], count: int) -> int:
    """Create sessions and return what each adds to the store."""
    before = used()
    for _ in range(count):
        store.create(DATA)
    return (used() - before) // count


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[tuple[str, Callable[[], int]] | None]:
    """Start a Redis on a UNIX socket, if it is installed.

    Yields its URL and a function that returns its memory, or `None` without Redis.
    """
    program = shutil.which("redis-server")
    if program is None:
        print("redis-server is not installed (Debian: redis-server); Redis is left out.", file=sys.stderr)
        yield None
        return
    import redis  # noqa: PLC0415 - only where Redis is measured

    place = folder / "r.sock"
    command = [program, "--port", "0", "--unixsocket", str(place), "--save", "", "--dir", str(folder)]
    with running("redis", command, folder) as server:
        until(server, place.exists)
        with redis.Redis(unix_socket_path=str(place)) as client:
            facts: Any = client.info
            yield f"unix://{place}", lambda: int(facts("memory")["used_memory"])


def file_size(path: Path) -> int:
    """Return the bytes of a session file once its write-ahead log is in it."""
    checkpoint = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA wal_checkpoint(TRUNCATE)')"
    subprocess.run([sys.executable, "-c", checkpoint, str(path)], check=True)
    return path.stat().st_size


def measure(folder: Path, count: int) -> tuple[list[list[str]], list[list[str]]]:
    """Measure every store; return the rows of both tables."""
    speeds, sizes = [], []
    small = max(count // 4, 100)
    with contextlib.ExitStack() as stack:
        memory = stack.enter_context(MemorySessionStore())
        speeds += [row("memory", memory, "threads", 1, count), row("memory", memory, "threads", 4, count)]
        path = folder / "sessions.db"
        sqlite = stack.enter_context(SQLiteSessionStore(path))
        speeds += [row("sqlite", sqlite, "threads", clients, small) for clients in (1, 4)]
        sizes.append(["sqlite", str(bytes_each(sqlite, lambda: file_size(path), small))])
        redis = stack.enter_context(redis_server(folder))
        if redis:
            url, used = redis
            plain = stack.enter_context(RedisSessionStore(url))
            speeds += [row("redis", plain, "threads", clients, count) for clients in (1, 4)]
            speeds += [row("redis", plain, "async", clients, count) for clients in (1, 16)]
            sealed = stack.enter_context(RedisSessionStore(url, namespace="sealed", keys=["k" * 32]))
            speeds.append(row("redis, encrypted", sealed, "threads", 1, count))
            sizes.append(["redis", str(bytes_each(plain, used, count))])
            sizes.append(["redis, encrypted", str(bytes_each(sealed, used, count))])
    return speeds, sizes


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="operations of each kind")
    parser.add_argument("--quick", action="store_true", help="a tenth of the load, to see that the benchmark runs")
    arguments = parser.parse_args()
    with workspace() as folder:
        speeds, sizes = measure(folder, arguments.count // 10 if arguments.quick else arguments.count)
    print(table("Session stores: operations a second, p99", ["store", "callers", "at once", *OPERATIONS], speeds))
    size = len(str(DATA))
    print(table(f"Bytes per session (about {size} bytes of data)", ["store", "bytes"], sizes))


if __name__ == "__main__":
    main()
