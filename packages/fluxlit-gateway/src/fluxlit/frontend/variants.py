"""The compressed variants of files.

Brotli at level 9 makes a fifth of JavaScript at 10 MB/s; level 11 saves another twelfth of that, for thirteen times
the work. So the first visitor gets level 9, made while he waits, and later ones level 11, made ahead of time.
"""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import brotli

from fluxlit.frontend.cache import Cache
from fluxlit.frontend.files import Asset


class Levels(NamedTuple):
    """The levels of one Content-Encoding.

    Attributes:
        best: worth its time because many clients get it.
        quick: made while a client waits.
    """

    best: str
    quick: str


ENCODINGS = {"br": Levels("br11", "br9"), "gzip": Levels("gzip9", "gzip9")}
"""Values of Content-Encoding in the order of preference."""

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "br11": partial(brotli.compress, quality=11),
    "br9": partial(brotli.compress, quality=9),
    "gzip9": partial(gzip.compress, compresslevel=9, mtime=0),
}


class Variant(NamedTuple):
    """Bytes to be sent.

    Attributes:
        body: the bytes.
        level: how they were made; empty for the file itself.
    """

    body: bytes
    level: str


class Variants:
    """Makes variants, and finds those that are made.

    Args:
        cache: where they are kept.
    """

    def __init__(self, cache: Cache) -> None:
        self.cache = cache

    def at_once(self, asset: Asset, encoding: str) -> Variant:
        """The best variant that exists; without one, a quick one is made.

        An empty encoding is the file itself.

        Raises:
            OSError: the file cannot be read.
        """
        if not encoding:
            return Variant(asset.read(), "")
        if (made := self.made(asset, encoding)) is not None:
            return made
        level = ENCODINGS[encoding].quick
        body = COMPRESSORS[level](asset.read())
        with contextlib.suppress(OSError):  # A full disk is no reason not to serve.
            self.cache.put(name_of(asset, level), body)
        return Variant(body, level)

    def made(self, asset: Asset, encoding: str) -> Variant | None:
        """The best variant that exists, `None` without one."""
        levels = ENCODINGS[encoding]
        if asset.packed and encoding == "br":
            return Variant(asset.packed, levels.best)
        for level in dict.fromkeys(levels):
            if (found := self.cache.get(name_of(asset, level))) is not None:
                return Variant(found, level)
        return None

    def best(self, asset: Asset, encoding: str) -> int:
        """Make the best variant, unless it is there, and keep it.

        Returns:
            Its size in bytes.

        Raises:
            OSError: the file cannot be read, or the variant not be kept.
        """
        name = name_of(asset, ENCODINGS[encoding].best)
        if (found := self.cache.get(name)) is not None:
            return len(found)
        body = COMPRESSORS[ENCODINGS[encoding].best](asset.read())
        self.cache.put(name, body)
        return len(body)


def name_of(asset: Asset, level: str) -> str:
    """The name of a variant in the cache."""
    return f"{asset.path[1:].replace('/', '-')}.{asset.tag}.{level}"
