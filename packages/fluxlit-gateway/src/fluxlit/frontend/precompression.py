"""Making the best variant of files ahead of time.

``python -m fluxlit.frontend.precompression`` is how the gateway has that done beside itself: at the lowest priority, in
a process that gives its memory back and ends with the gateway. It reads one line from fd 0, a JSON list
of paths, and takes the end of fd 0 for the end of the gateway.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from fluxlit.frontend.cache import Cache
from fluxlit.frontend.files import Asset, Files
from fluxlit.frontend.variants import ENCODINGS, Variants

LOWEST = 19
PREPARED = next(iter(ENCODINGS))
"""The Content-Encoding that is worth the work and the space: what browsers prefer. Others are made on request."""


@dataclass(frozen=True)
class Prepared:
    """One file that is ready.

    Attributes:
        path: its path below the public mount.
        size: bytes of the file.
        compressed: bytes of its best variant.
    """

    path: str
    size: int
    compressed: int


def prepare(files: Files, cache: Cache, threads: int) -> tuple[int, Iterator[Prepared]]:
    """Make the best variants of all files.

    Args:
        files: the front end.
        cache: what is there already is not made again.
        threads: how many files at a time; the compressors let other threads run.

    Returns:
        How many bytes there are to compress, and the files as they become ready; that raises `OSError` when one
        cannot be read or its variant not be kept.
    """
    texts = [asset for asset in files.assets().values() if asset.compressible]
    texts.sort(key=lambda asset: asset.file.stat().st_size, reverse=True)
    cache.tidy()
    total = sum(asset.file.stat().st_size for asset in texts)
    return total, _prepared(texts, Variants(cache), threads)


def _prepared(texts: Sequence[Asset], variants: Variants, threads: int) -> Iterator[Prepared]:
    def one(asset: Asset) -> Prepared:
        return Prepared(asset.path, asset.file.stat().st_size, variants.best(asset, PREPARED))

    pool = ThreadPoolExecutor(threads)
    try:
        for done in as_completed([pool.submit(one, asset) for asset in texts]):
            yield done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def improve(paths: Sequence[str], files: Files, cache: Cache) -> None:
    """Make the best variants of some files; other paths are ignored."""
    assets, variants = files.assets(), Variants(cache)
    cache.tidy()
    for path in paths:
        if path in assets and assets[path].compressible:
            variants.best(assets[path], PREPARED)


def main() -> int:
    """Improve what fd 0 names; returns the exit code."""
    with contextlib.suppress(AttributeError, OSError):  # Windows has no nice.
        os.nice(LOWEST)
    with open(0, "rb", buffering=0, closefd=False) as line:  # A buffer's lock would outlive the thread that waits.
        paths = json.loads(line.readline() or b"[]")
    threading.Thread(target=_end_with_gateway, daemon=True).start()
    files = Files.of_streamlit()
    if files is not None:
        improve(paths, files, Cache.of(files.version))
    return 0


def _end_with_gateway() -> None:
    while os.read(0, 1024):
        pass
    os._exit(0)  # In the middle of a file: it has no name yet.


if __name__ == "__main__":
    sys.exit(main())
