"""Commands of other distributions, found through the entry-point group."""

import re
import tomllib
from pathlib import Path

import pytest

from fluxlit_cli import commands
from fluxlit_cli.main import main
from scripts.write_cli_reference import PLUGINS
from tests.cli.command import fluxlit, says

PLUGIN = '''
import typer

def assemble(target: str = "app:app", *, force: bool = False) -> int:
    """Write the files."""
    print("built", target, force)
    return 4 if force else 0

tools = typer.Typer(help="Many tools.")

@tools.command()
def one() -> None:
    """The first."""
    print("one")

@tools.command()
def two() -> None:
    """The second."""

nonsense = 5
'''

ENTRIES = """[fluxlit.commands]
assemble = plugin:assemble
tools = plugin:tools
lost = plugin:lost
gone = no_such_module:thing
nonsense = plugin:nonsense
run = plugin:assemble
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A folder in which a distribution with commands is installed."""
    (tmp_path / "plugin.py").write_text(PLUGIN)
    info = tmp_path / "fluxlit_example-2.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fluxlit-example\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    return str(tmp_path)


def test_the_example_of_the_reference_works(tmp_path: Path) -> None:
    blocks = dict(re.findall(r"```(\w+)[^\n]*\n(.*?)```", PLUGINS, re.DOTALL))
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "greet.py").write_text(blocks["python"])
    entries = tomllib.loads(blocks["toml"])["project"]["entry-points"]
    info = tmp_path / "greetings-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: greetings\nVersion: 1.0\n")
    lines = [f"[{group}]\n{name} = {value}\n" for group, each in entries.items() for name, value in each.items()]
    (info / "entry_points.txt").write_text("".join(lines))
    command, output = blocks["text"].splitlines()
    done = fluxlit(*command.split()[2:], PYTHONPATH=str(tmp_path))
    assert (done.stdout, done.stderr, done.returncode) == (f"{output}\n", "", 0)


def test_they_are_listed_with_their_owner_and_without_being_imported(path: str) -> None:
    done = fluxlit("--help", PYTHONPATH=path)
    assert done.returncode == 0
    assert "assemble" in done.stdout
    assert "A command of fluxlit-example 2.5." in done.stdout
    assert done.stderr == ""


def test_those_of_our_own_distributions_say_what_they_do() -> None:
    told = " ".join(fluxlit("--help").stdout.split())
    assert "build Write files for containers, clusters and edges." in told
    assert "auth List and revoke the logins of users." in told


@pytest.mark.parametrize(("command", "owner"), [("build", "fluxlit-deploy"), ("auth", "fluxlit-auth")])
def test_one_that_is_not_installed_says_what_to_install(
    command: str, owner: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "_plugins", dict)

    with pytest.raises(SystemExit) as ended:
        main([command, "list"])

    assert ended.value.code == 2
    told = f"{command!r} is a command of {owner}, which is not installed: pip install {owner}."
    assert told in capsys.readouterr().err


def test_a_function_becomes_a_command_and_its_result_the_exit_code(path: str) -> None:
    done = fluxlit("assemble", "--target", "x:y", "--force", PYTHONPATH=path)
    assert (done.stdout, done.returncode) == ("built x:y True\n", 4)
    assert "Write the files." in fluxlit("assemble", "--help", PYTHONPATH=path).stdout


def test_a_typer_application_becomes_a_group(path: str) -> None:
    assert fluxlit("tools", "one", PYTHONPATH=path).stdout == "one\n"
    assert "The second." in fluxlit("tools", "--help", PYTHONPATH=path).stdout


@pytest.mark.parametrize(
    ("command", "reason"), [("lost", "AttributeError"), ("gone", "ModuleNotFoundError"), ("nonsense", "TypeError")]
)
def test_a_broken_one_is_reported_and_breaks_nothing_else(command: str, reason: str, path: str) -> None:
    done = fluxlit(command, PYTHONPATH=path)
    says(
        done,
        1,
        f"The command '{command}' comes from fluxlit-example 2.5, which cannot be loaded: {reason}",
        "uninstall",
    )
    assert fluxlit("--version", PYTHONPATH=path).returncode == 0


def test_a_built_in_command_cannot_be_taken_over(path: str) -> None:
    assert "Run an application in production." in fluxlit("run", "--help", PYTHONPATH=path).stdout


def test_a_command_that_is_mistyped_is_suggested(path: str) -> None:
    says(fluxlit("assembel", PYTHONPATH=path), 2, "No such command 'assembel'. Did you mean 'assemble'?")
