"""The reference says what the code says."""

from scripts.write_reference import TARGET, reference


def test_settings_reference_is_up_to_date() -> None:
    assert TARGET.read_text(encoding="utf-8") == reference(), "run `hatch run types:reference`"
