"""The reference of the command says what the command does."""

from scripts.write_cli_reference import TARGET, reference


def test_the_reference_of_the_command_is_up_to_date() -> None:
    assert TARGET.read_text(encoding="utf-8") == reference(), "run `hatch run types:reference`"
