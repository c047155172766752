"""Free ports, for servers that must know theirs before they start."""

from contextlib import ExitStack

from fluxlit.server.sockets.listeners import reserved_port

_reserved = ExitStack()


def free_port() -> int:
    """A port of 127.0.0.1 that no other program gets while this process runs.

    A client that connects before the server listens is refused.
    """
    return _reserved.enter_context(reserved_port())
