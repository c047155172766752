"""The same application alone and under FluxLit, compared from outside.

Every difference stands in docs/reference/differences.md, and everything that stands there is so.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.integration.differences.placements import PLACEMENTS, run_all
from tests.integration.differences.table import PAGE, Difference, Row, differences, rows

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Difference]:
    facts = run_all(tmp_path_factory.mktemp("differences"))
    return list(differences(facts.pop("plain"), facts))


@pytest.fixture(scope="module")
def table() -> list[Row]:
    return list(rows(PAGE, PLACEMENTS))


def test_every_difference_is_in_the_documentation(found: list[Difference], table: list[Row]) -> None:
    new = sorted({str(each) for each in found if not any(row.matches(each) for row in table)})
    assert not new, "\n".join(["Mend these, or document them with the reason:", *new])


def test_every_documented_difference_is_there(found: list[Difference], table: list[Row]) -> None:
    stale = [
        f"{' '.join(row.patterns)}: {where}"
        for row in table
        for where in sorted(row.where)
        if not any(each.where == where and row.matches(each) for each in found)
    ]
    stale += [
        pattern
        for row in table
        for pattern in row.patterns
        if not any(replace(row, patterns=(pattern,)).matches(each) for each in found)
    ]
    assert not stale, "\n".join(["These are no differences any more:", *stale])
