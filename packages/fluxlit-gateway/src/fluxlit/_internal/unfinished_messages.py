"""A budget for messages that clients have begun and not finished.

Such a message lies in the memory of a worker, or of the gateway, for as long as its connection is open. Each has a
limit, but one client may open hundreds.
"""

from __future__ import annotations

LARGEST = 8
"""Messages of the largest size that clients may have begun at once."""

FREE = 64 * 1024
"""Bytes of a message that do not count: few messages of a page are longer, so a full budget stops no click."""


class UnfinishedMessages:
    """What the clients of a server may have begun, all together.

    Args:
        most: bytes.

    Attributes:
        left: bytes; below 0 once a client wanted more.
    """

    __slots__ = ("left",)

    def __init__(self, most: int) -> None:
        self.left = most

    @classmethod
    def of(cls, largest: int) -> UnfinishedMessages:
        """Return the budget for messages of at most so many bytes."""
        return cls(LARGEST * largest)

    def take(self, size: int) -> bool:
        """Take bytes, or give some back; whether there were so many."""
        self.left -= size
        return self.left >= 0


class UnfinishedMessage:
    """The message of one connection.

    Args:
        budget: of all connections.

    Attributes:
        counted: bytes that have been taken from the budget.
    """

    __slots__ = ("_budget", "counted")

    def __init__(self, budget: UnfinishedMessages) -> None:
        self._budget = budget
        self.counted = 0

    def update(self, size: int) -> bool:
        """Take note of the message's size; 0 once it is whole, and at the end.

        Returns:
            Whether the connection may go on.
        """
        counted = max(0, size - FREE)
        more, self.counted = counted - self.counted, counted
        return self._budget.take(more) or more <= 0
