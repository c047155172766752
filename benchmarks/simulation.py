"""Waiting time for a rerun, by the number of people and of workers.

This is the model of docs/explanation/scaling.md.

A person looks at the page for a while (exponential, `--think` seconds on average) and then changes something, which
reruns the script. A rerun takes `--cpu` seconds of one core (exponential too: pages differ) and `--wait` seconds in
which the core is free for others, such as a query. Each worker is one core that serves its people in the order in which
they ask, because one interpreter lock runs one script at a time; people are dealt out evenly and stay where they are.
"""

from __future__ import annotations

import argparse
import dataclasses
import heapq
import math
import random
import sys

BUSIEST = 0.9
"""Of a core's time. Above that a queue hardly ever becomes shorter, even if the average load would allow it."""


@dataclasses.dataclass(frozen=True)
class Page:
    """What people do with a page, and what it takes; all in seconds.

    Attributes:
        think: mean time between the end of a rerun and the next change.
        cpu: mean CPU time of a rerun.
        wait: time in which a rerun waits for something else.
    """

    think: float
    cpu: float
    wait: float = 0.0

    @property
    def cycle(self) -> float:
        """From one change of a person who never queues to the next."""
        return self.think + self.cpu + self.wait


def waits(page: Page, people: int, seconds: float) -> list[float]:
    """Simulate one worker, with all of its people.

    Args:
        page: what they look at.
        people: how many there are.
        seconds: how long to simulate; the first tenth is not counted.

    Returns:
        Seconds from each change to the end of its rerun.
    """
    rng = random.Random(1)  # the same figures every time
    asking = [rng.expovariate(1 / page.think) for _ in range(people)]
    heapq.heapify(asking)
    found = []
    free_at = 0.0
    while asking[0] < seconds:
        asked = asking[0]
        free_at = max(free_at, asked) + rng.expovariate(1 / page.cpu)
        answered = free_at + page.wait
        if asked > seconds / 10:
            found.append(answered - asked)
        heapq.heapreplace(asking, answered + rng.expovariate(1 / page.think))
    return found


def percentile(values: list[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, math.ceil(share * len(values)) - 1)]


def fits(page: Page, people: int, limit: float) -> bool:
    """Whether 99 of 100 reruns of one worker's people end within a limit."""
    return percentile(waits(page, people, page.think * (40 + 2000 / people)), 0.99) <= limit


def most(page: Page, limit: float) -> int:
    """People of one worker: all within the limit, the core at most `BUSIEST`."""
    bound = int(BUSIEST * page.cycle / page.cpu) + 1
    low, high = 1, 2
    while high < bound and fits(page, high, limit):
        low, high = high, high * 2
    high = min(high, bound)
    while high - low > max(1, low // 50):
        middle = (low + high) // 2
        low, high = (middle, high) if fits(page, middle, limit) else (low, middle)
    return low


def main() -> None:
    """Print the people of one worker, and the workers for several sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--think", type=float, default=15.0, help="mean seconds between two changes of one person")
    parser.add_argument("--cpu", type=float, default=0.05, help="seconds of CPU that a rerun takes")
    parser.add_argument("--wait", type=float, default=0.0, help="seconds that a rerun waits for something else")
    parser.add_argument("--limit", type=float, default=1.0, help="seconds within which 99 of 100 reruns must end")
    parser.add_argument("people", type=int, nargs="*", default=[10, 1_000, 100_000])
    arguments = parser.parse_args()
    page = Page(arguments.think, arguments.cpu, arguments.wait)
    if not fits(page, 1, arguments.limit):
        sys.exit("Even one person alone waits longer than the limit: make the page faster, or allow more.")
    each = most(page, arguments.limit)
    print(f"One worker: {each} people, {each / page.cycle * page.cpu:.0%} busy.")
    for people in arguments.people:
        print(f"{people} people: {math.ceil(people / each)} workers, {people / page.cycle:.1f} reruns a second.")


if __name__ == "__main__":
    main()
