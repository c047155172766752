"""Free ports, for servers that must know theirs before they start."""

import contextlib
import random
import socket

# Below the ports that Linux gives to clients and to port 0: other programs take none of these by chance. Several
# processes of the tests draw at the same time, and pytest-randomly seeds the common generator alike in all of them.
_FIRST, _LAST = 10_000, 22_000
_draw = random.SystemRandom()


def free_port() -> int:
    """A port of 127.0.0.1 that is not in use."""
    return free_ports(1)[0]


def free_ports(count: int, *offsets: int) -> list[int]:
    """Different ports that are not in use.

    Args:
        count: how many.
        offsets: what is so far above each of them is not in use either.
    """
    found: list[int] = []
    while len(found) < count:
        port = _draw.randrange(_FIRST, _LAST)
        if port not in found and all(_is_free(port + offset) for offset in (0, *offsets)):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False
