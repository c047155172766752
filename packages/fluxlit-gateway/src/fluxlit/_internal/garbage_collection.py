"""Python's cyclic garbage collector while much is imported.

Imports make objects by the hundred thousand and hardly any garbage; the collector walks all of them again and again,
because their number grows. Without it, what a worker imports takes a fifth less time. And once it is back it would
walk all of them at the next occasion, as if they were young, which alone takes a twentieth of a second; so they are
moved out of its sight. Modules, classes and functions stay anyway.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def collection_paused() -> Iterator[None]:
    """Pause garbage collection inside the block, and freeze its objects.

    Where the collector is off already, nothing is changed. What the block itself sets by `gc.disable` or
    `gc.set_threshold` stays.
    """
    before = gc.get_threshold()
    if not gc.isenabled() or not before[0]:
        yield
        return
    gc.set_threshold(0)
    try:
        yield
    finally:
        gc.freeze()
        if not gc.get_threshold()[0]:
            gc.set_threshold(*before)
