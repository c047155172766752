"""Slots for what clients can draw out: uploads, and slow downloads.

They never hold every turn at the upstream, nor does one client hold all slots.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from fluxlit._internal.peer import client_network
from fluxlit.proxy.semaphore import Semaphore

ALL = 2
"""Part of the turns that there are slots: half of the turns are always left for pages and health."""

ONE_CLIENT = 8
"""Part of the turns that there are slots for one client."""


@dataclass(slots=True)
class ClientShare:
    """The slots of one client.

    Attributes:
        turns: bounds how many it has.
        used: how many it has or waits for.
    """

    turns: Semaphore
    used: int = 0


class ClientSlots:
    """Bounds the slots of all clients together, and of each client alone.

    Args:
        concurrent: turns at the upstream; 0 for no limit.
    """

    def __init__(self, concurrent: int) -> None:
        self._turns = Semaphore(max(1, concurrent // ALL) if concurrent else sys.maxsize)
        self._share = max(1, concurrent // ONE_CLIENT) if concurrent else sys.maxsize
        self._clients: dict[str, ClientShare] = {}

    async def take(self, client: str) -> None:
        """Wait for a slot, and take it; `give` it back.

        Args:
            client: address of the client; empty if it has none.
        """
        client = client_network(client)
        share = self._clients.setdefault(client, ClientShare(Semaphore(self._share)))
        share.used += 1
        try:
            await share.turns.wait()
            try:
                await self._turns.wait()
            except BaseException:
                share.turns.give()
                raise
        except BaseException:
            self._leave(client, share)
            raise

    def take_now(self, client: str) -> bool:
        """Take a slot if one is free."""
        client = client_network(client)
        share = self._clients.setdefault(client, ClientShare(Semaphore(self._share)))
        share.used += 1
        if share.turns.take():
            if self._turns.take():
                return True
            share.turns.give()
        self._leave(client, share)
        return False

    def give(self, client: str) -> None:
        """Give a slot back."""
        client = client_network(client)
        share = self._clients[client]
        self._turns.give()
        share.turns.give()
        self._leave(client, share)

    def _leave(self, client: str, share: ClientShare) -> None:
        share.used -= 1
        if not share.used:
            del self._clients[client]
