"""The page of requirements and tests of a login is true and complete."""

from scripts.asvs import REQUIREMENTS
from scripts.write_login_requirements import ATTACKS, TARGET, docstrings, reference, shown

KNOWN = docstrings()


def test_the_page_is_up_to_date() -> None:
    assert TARGET.read_text(encoding="utf-8") == reference(), "run `hatch run types:reference`"


def test_every_requirement_has_a_test_or_a_reason() -> None:
    by_id = shown(KNOWN)
    assert [each for each, found in REQUIREMENTS.items() if not found.note and each not in by_id] == []
    assert [each for each, found in REQUIREMENTS.items() if found.note and each in by_id] == []


def test_every_attack_is_tried() -> None:
    assert [name for names in ATTACKS.values() for name in names if name not in KNOWN] == []
    assert all(ATTACKS.values())
