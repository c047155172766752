"""Completion in real shells."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command import fluxlit, says
from tests.support import programs
from tests.support.processes import clean_environ
from tests.support.terminal import terminal

pytestmark = pytest.mark.slow

# What is typed, and what Tab must offer.
CASES = [
    ("r", {"run"}),
    ("pages ", {"list", "manifest", "validate"}),
    ("config s", {"schema"}),
    ("new --profile d", {"deploy"}),
    ("run --graceful-t", {"--graceful-timeout"}),
    ("run --log-level d", {"debug"}),
    ("doctor --check api-", {"api-routes"}),
]
BASH = """
source "$0"
COMP_WORDS=(fluxlit "$@")
COMP_CWORD=$#
_fluxlit_completion fluxlit
printf '%s\\n' "${COMPREPLY[@]}"
"""


ASKED: set[str] = set()


def environment(*folders: Path) -> dict[str, str]:
    """Return an environment in which shells find the command."""
    found = clean_environ()
    return found | {"PATH": ":".join(map(str, [*folders, Path(sys.executable).parent, found["PATH"]]))}


def ask(*command: str) -> set[str]:
    """Return what a shell offers."""
    environ = environment(*([programs.fluxlit().folder] if programs.AT_ONCE or command[0] in ASKED else []))
    ASKED.add(command[0])
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return {line.partition("\t")[0].strip() for line in done.stdout.splitlines() if line.strip()}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the command prints for each shell."""
    folder = tmp_path_factory.mktemp("completion")
    for shell in ("bash", "fish"):
        (folder / shell).write_text(fluxlit("completion", shell).stdout)
    return folder


def in_bash(scripts: Path, typed: str) -> set[str]:
    return ask("bash", "--norc", "-c", BASH, str(scripts / "bash"), *typed.split(" "))


def in_fish(scripts: Path, typed: str) -> set[str]:
    return ask("fish", "--no-config", "-c", f'source {scripts / "fish"}; complete -C "fluxlit {typed}"')


@pytest.mark.parametrize("shell", [in_bash, in_fish])
@pytest.mark.parametrize(("typed", "offered"), CASES)
def test_it_offers_what_can_follow(
    typed: str, offered: set[str], shell: Callable[[Path, str], set[str]], scripts: Path
) -> None:
    assert shell(scripts, typed) == offered


@pytest.mark.parametrize(
    ("shell", "prepare"),
    [
        (["bash", "--norc"], 'eval "$(fluxlit completion bash)"'),
        (["zsh", "-f"], 'autoload -U compinit; compinit -u -D; eval "$(fluxlit completion zsh)"'),
    ],
)
def test_tab_completes_at_the_prompt(shell: list[str], prepare: str, tmp_path: Path) -> None:
    with terminal(shell, cwd=tmp_path, environ=environment() | {"HOME": str(tmp_path)}) as screen:
        screen.type(f"{prepare}; echo pre''pared\n")
        screen.wait_for("prepared")
        screen.type("fluxlit pages vali\t")
        screen.wait_for("fluxlit pages validate")


def test_each_command_is_offered_once(scripts: Path) -> None:
    offered = in_bash(scripts, "")
    assert {"new", "dev", "run", "config", "pages", "completion"} <= offered
    assert [each for each in offered if " " in each] == []


def test_a_shell_that_is_none_of_these() -> None:
    says(fluxlit("completion", "tcsh"), 2, "'tcsh' is not one of 'bash', 'zsh', 'fish'")


def test_the_first_word_of_several_commands_lists_them() -> None:
    assert "manifest  Print the pages as JSON." in fluxlit("pages", "--help").stdout
    says(fluxlit("pages", "lits"), 2, "No such command 'lits'.", "Try 'fluxlit pages --help'.")
