"""docs/contributing/proxy-rules.md and the tests name the same rules."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "contributing" / "proxy-rules.md"


def test_every_rule_of_the_page_has_a_test_and_every_such_test_a_line() -> None:
    page = PAGE.read_text()
    sources = [path for folder in (HERE.parent, HERE.parents[1] / "integration") for path in folder.rglob("test_*.py")]
    written = set(
        re.findall(r"^(?:async )?def (test_\w+)", "\n".join(path.read_text() for path in sources), re.MULTILINE)
    )
    named = set(re.findall(r"`(test_\w+)`", page))
    assert named <= written, f"no such test: {sorted(named - written)}"
    rules = dict(re.findall(r"^\| (\d+) \|.*\| (.*) \|$", page, re.MULTILINE))
    assert sorted(map(int, rules)) == list(range(1, 43))
    for number, tests in rules.items():
        assert f"test_rule_{int(number):02}_" in tests
