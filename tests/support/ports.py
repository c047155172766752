"""Free ports, for servers that must know theirs before they start."""

import socket

_holders: list[socket.socket] = []


def free_port() -> int:
    """A port of 127.0.0.1 that no other program gets while this process runs.

    It stays bound, which a server with `SO_REUSEADDR` does not notice; who connects before there is one is refused.
    """
    return free_ports(1)[0]


def free_ports(count: int, *offsets: int) -> list[int]:
    """Different ports that no other program gets.

    Args:
        count: how many.
        offsets: what is so far above each of them is held as well.
    """
    found: list[int] = []
    while len(found) < count:
        port = _hold(0)
        if all(_hold(port + offset) for offset in offsets):
            found.append(port)
    return found


def _hold(port: int) -> int:
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind(("127.0.0.1", port))
    except (OSError, OverflowError):  # OverflowError: there is no such port
        holder.close()
        return 0
    _holders.append(holder)
    return int(holder.getsockname()[1])
