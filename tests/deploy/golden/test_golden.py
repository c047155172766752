"""A change of a template is seen in the golden files."""

from __future__ import annotations

import pytest

from tests.deploy.golden.cases import FOLDER, golden_files

FILES = golden_files()


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_main_ones_are_as_they_were(name: str) -> None:
    path = FOLDER / name
    before = path.read_text("utf-8") if path.exists() else ""

    assert FILES[name] == before, "look at the difference; if it is meant, run `hatch run types:golden`"


def test_there_are_no_others() -> None:
    assert {path.name for path in FOLDER.glob("*.txt")} == set(FILES)
