"""Free ports, for servers that must know theirs before they start."""

import socket

# Not `reserved_port` of FluxLit: the tests of wheels run where it is not installed.
_holders: list[socket.socket] = []


def free_port() -> int:
    """A port of 127.0.0.1 that no other program gets while this process runs.

    It stays bound, which a server with `SO_REUSEADDR` does not notice; who connects before there is one is refused.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    _holders.append(holder)
    return int(holder.getsockname()[1])
