"""How long to wait before a child that died is started again.

Pure: the caller brings the number of failures and the random number. Delays double, are capped, and are spread by
"equal jitter" (half fixed, half random), so that replicas which lost the same database do not all come back in the
same instant, and so that a delay can never be close to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Growing, capped, jittered delays.

    Attributes:
        first_s: the largest delay after the first failure, in seconds. Small, because one crash of a healthy program
            should cost its users as little as possible.
        cap_s: the largest delay ever, in seconds.
        factor: growth from one failure to the next.
    """

    first_s: float = 0.2
    cap_s: float = 30.0
    factor: float = 2.0

    def delay(self, failures: int, chance: float) -> float:
        """The delay in seconds before the next start.

        Args:
            failures: failures in a row, 1 or more.
            chance: random, in [0, 1).
        """
        # The exponent is bounded, else a child that fails for weeks overflows a float.
        ceiling = min(self.cap_s, self.first_s * self.factor ** min(failures - 1, 64))
        return ceiling * (0.5 + chance / 2)
