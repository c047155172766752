"""How many connections a server keeps open, in total and for one client."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable

from fluxlit._internal.peer import client_network

logger = logging.getLogger("fluxlit.http")

WARN_EVERY_S = 60.0


class ConnectionCaps:
    """Counts the open connections of a server, those of WebSockets too.

    Args:
        total: most connections; 0 for no limit.
        per_address: most connections from one address; 0 for no limit.
        exempt: whether an address has no limit of its own, such as that of a proxy.
    """

    def __init__(
        self, total: int = 0, per_address: int = 0, exempt: Callable[[str], bool] = lambda _address: False
    ) -> None:
        self._total = total
        self._per_address = per_address
        self._exempt = exempt
        self._open: Counter[str] = Counter()
        self._number = 0
        self._warned_at = 0.0

    def enter(self, address: str) -> bool:
        """Count a connection; `leave` when it ends. Returns whether it may stay.

        Args:
            address: of the client; empty on a UNIX socket.
        """
        client = self._client(address)
        self._number += 1
        self._open[client] += 1
        if self._total and self._number > self._total:
            self._warn("gateway_max_connections", self._total, "")
            return False
        if self._per_address and self._open[client] > self._per_address and address and not self._exempt(address):
            self._warn("gateway_max_connections_per_address", self._per_address, f" from {client}")
            return False
        return True

    def leave(self, address: str) -> None:
        """Count the end of a connection."""
        client = self._client(address)
        self._number -= 1
        self._open[client] -= 1
        if not self._open[client]:
            del self._open[client]

    def _client(self, address: str) -> str:
        """What a connection counts for; a proxy shares nothing with neighbours."""
        return address if ":" not in address or self._exempt(address) else client_network(address)

    def _warn(self, setting: str, limit: int, origin: str) -> None:
        now = time.monotonic()
        if now - self._warned_at > WARN_EVERY_S or not self._warned_at:
            self._warned_at = now
            logger.warning("Connection refused: %d are open%s already (%s).", limit, origin, setting)
