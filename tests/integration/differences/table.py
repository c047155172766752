"""docs/reference/differences.md as expectations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tests.integration.differences.observation import Facts
from tests.support.processes import ROOT

PAGE = ROOT / "docs" / "reference" / "differences.md"
HEADER = "| what | alone | with FluxLit | where | why |"


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        patterns: the facts, with `*` for any characters.
        alone: the value without FluxLit, and
        value: the one with it; `None` where the page describes it in words.
        where: the setups.
    """

    patterns: tuple[str, ...]
    alone: str | None
    value: str | None
    where: frozenset[str]

    def matches(self, difference: Difference) -> bool:
        return (
            difference.where in self.where
            and any(fnmatchcase(difference.name, pattern) for pattern in self.patterns)
            and self.alone in (None, difference.alone)
            and self.value in (None, difference.value)
        )


@dataclass(frozen=True)
class Difference:
    """A fact that is not the same in one setup.

    Attributes:
        name: of the fact.
        alone: its value without FluxLit.
        value: its value with it.
        where: the setup.
    """

    name: str
    alone: str
    value: str
    where: str

    def __str__(self) -> str:
        return f"{self.name} | {self.alone[:120]} | {self.value[:120]} | {self.where}"


def rows(page: Path, setups: tuple[str, ...]) -> Iterator[Row]:
    """Read the tables of the page.

    Args:
        page: the page.
        setups: those that "all" means.
    """
    for line in re.findall(r"^\|(.*)\|$", page.read_text("utf-8"), re.MULTILINE):
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)]
        patterns = tuple(re.findall(r"`([^`]+)`", cells[0]))
        if not patterns or len(cells) != 5:
            continue
        names = setups if cells[3].startswith("all") else tuple(part.strip() for part in cells[3].split(","))
        without = re.search(r"but (.*)", cells[3])
        missing = {part.strip() for part in without[1].split(",")} if without else set()
        unknown = ({*names} | missing) - {*setups}
        assert not unknown, f"{cells[0]}: no setup {unknown}"
        yield Row(patterns, _value(cells[1]), _value(cells[2]), frozenset(names) - missing)


def _value(cell: str) -> str | None:
    exact = re.fullmatch(r"`([^`]*)`", cell)
    return exact[1] if exact else "absent" if cell == "absent" else None


def differences(alone: Facts, found: Mapping[str, Facts]) -> Iterator[Difference]:
    """What is not the same as without FluxLit, in each setup."""
    for where, facts in found.items():
        browsed = any(name.startswith("browser") for name in facts)
        statuses = {
            name.partition(" of ")[2] for name in alone if " status of " in name and alone[name] != facts.get(name)
        }
        for name in sorted({*alone, *facts}):
            subject, _, asked = name.partition(" of ")
            if alone.get(name) == facts.get(name) or (name.startswith("browser") and not browsed):
                continue
            if " status" not in subject and asked in statuses:
                continue  # another response altogether
            shown = subject if "response header" in name else name
            yield Difference(shown, alone.get(name, "absent"), facts.get(name, "absent"), where)
