"""The parts of a Cookie header."""

import pytest

from fluxlit._internal.cookies import MOST, cookie_pairs


@pytest.mark.parametrize(
    ("value", "pairs"),
    [(b"a=1; b=2", [b"a=1", b"b=2"]), (b" a=1 ;;b", [b"a=1", b"b"]), (b"", []), (b"; ;", [])],
)
def test_pairs_come_without_blanks(value: bytes, pairs: list[bytes]) -> None:
    assert cookie_pairs(value) == pairs


def test_more_than_a_browser_keeps_are_ignored() -> None:
    assert cookie_pairs(b"a=1;" * 10_000) == [b"a=1"] * MOST
    assert cookie_pairs(b";" * 10_000 + b"a=1") == []
