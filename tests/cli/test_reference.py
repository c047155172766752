"""The reference of the command agrees with the command."""

import re
from typing import Any

import pytest

from fluxlit.settings import describe
from fluxlit_cli.commands import BUILT_IN, load
from scripts.write_cli_reference import SETTINGS, TARGET, reference, takes_settings

PAGE = TARGET.read_text(encoding="utf-8")


def section(heading: str) -> str:
    """Return a section of the page without its subsections."""
    return PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]


def flags(text: str) -> set[str]:
    """Return the flags that the first column of a table names."""
    rows = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `")]
    return set(re.findall(r"--[a-z][a-z-]*", "\n".join(rows)))


def _is_hidden(parameter: Any) -> bool:
    return bool(getattr(parameter, "hidden", False))


def test_the_reference_of_the_command_is_up_to_date() -> None:
    assert reference() == PAGE, "run `hatch run types:reference`"


@pytest.mark.parametrize("name", BUILT_IN)
def test_each_command_has_exactly_the_options_of_its_section(name: str) -> None:
    command = load(name)
    shown = [each for each in command.params if not _is_hidden(each)]
    accepted = {option for each in shown for option in (*each.opts, *each.secondary_opts)}
    accepted = {option for option in accepted if option.startswith("--")}
    named = flags(section(f"fluxlit {name}"))
    if takes_settings(command):
        of_settings = {flag for each in SETTINGS for flag in (describe.flag_name(each), *describe.flag_aliases(each))}
        named |= of_settings | {f"--no-{flag.removeprefix('--')}" for flag in of_settings} & accepted
    assert named == accepted
