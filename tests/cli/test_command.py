"""The command as a whole: help, versions, usage errors, speed, output."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fluxlit.settings import describe
from fluxlit_cli.commands import BUILT_IN
from fluxlit_cli.options import COMMON
from tests.cli.command import COMMAND, fluxlit, imported, says, write
from tests.support.processes import ROOT, clean_environ
from tests.support.terminal import terminal


def test_help_lists_the_commands_and_the_exit_codes() -> None:
    done = fluxlit("--help")
    assert done.returncode == 0
    for command in ("new", "dev", "run"):
        assert re.search(rf"^  {command} ", done.stdout, re.MULTILINE)
    assert "Exit codes: 0 success" in done.stdout


def test_the_version_names_what_is_installed() -> None:
    done = fluxlit("--version")
    version = r"\d+\.\d+\.\d+\S*"
    parts = ", ".join(f"{part} {version}" for part in ("auth", "deploy", "gateway", "sessions", "Python"))
    assert re.fullmatch(rf"fluxlit {version} \({parts}\)\n", done.stdout)
    assert done.returncode == 0


def test_the_script_and_the_module_are_the_same() -> None:
    script = Path(sys.executable).with_name("fluxlit")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True, env=clean_environ())
    assert done.stdout == fluxlit("--version").stdout


def test_without_a_command_it_shows_the_help_and_fails() -> None:
    done = fluxlit()
    assert (done.returncode, done.stdout) == (2, "")
    assert "Commands:" in done.stderr


@pytest.mark.parametrize("group", ["pages", "auth", "auth sessions"])
def test_a_group_without_a_command_shows_its_help(group: str) -> None:
    done = fluxlit(*group.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == fluxlit(*group.split(), "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["app.py"], "No such command 'app.py'. Did you mean 'fluxlit dev app.py'? Try 'fluxlit --help'."),
        (["shop:app"], "No such command 'shop:app'. Did you mean 'fluxlit dev shop:app'? Try 'fluxlit --help'."),
        (["start"], "No such command 'start'. Did you mean 'fluxlit run'? Try 'fluxlit --help'."),
        (["rum"], "No such command 'rum'. Did you mean 'run'? Try 'fluxlit --help'."),
        (["run", "--prot", "1"], "No such option: --prot"),
        (["dev", "--reload"], "fluxlit dev reloads what you save, without an option"),
        (["run", "--gateway-send-timeout-s", "5"], "--gateway-send-timeout-s is not a setting any more: it is always"),
        (["run", "--port"], "Option '--port' requires an argument. Try 'fluxlit run --help'."),
        (["new"], "Missing argument 'NAME'. Try 'fluxlit new --help'."),
        (["run", "a:b", "c:d"], "Got unexpected extra argument"),
        (["completion", "ksh"], "Invalid value for 'SHELL': 'ksh' is not one of 'bash', 'zsh', 'fish'."),
    ],
)
def test_wrong_use_is_one_message_and_exit_code_2(arguments: list[str], message: str) -> None:
    says(fluxlit(*arguments), 2, message)


@pytest.mark.parametrize("command", ["run", "dev"])
def test_every_setting_has_an_option(command: str) -> None:
    shown = fluxlit(command, "--help-all", COLUMNS="200").stdout
    for setting in describe.SETTINGS:
        for flag in (describe.flag_name(setting), *describe.flag_aliases(setting)):
            assert re.search(rf"(^|\s|,){flag}\b", shown, re.MULTILINE), flag
    for flag in ("--host", "--port", "--root-path", "--log-level", "--trust-proxy", "--proxy-headers", "--workers"):
        assert flag in shown
    assert "--graceful-timeout SECONDS" in shown


GROUPS = ("", "pages", "build", "auth", "auth sessions", "auth sessions list", "auth sessions revoke")


@pytest.mark.parametrize("command", [*BUILT_IN, *GROUPS])
def test_the_help_of_a_command_fits_a_screen_with_an_example_and_a_link(command: str) -> None:
    shown = fluxlit(*command.split(), "--help", COLUMNS="80").stdout
    lines = shown.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80
    if not command.startswith("auth"):  # Typer itself shows it
        assert not re.search(r" <(str|int|float)", shown)
    assert re.search(r"^ *Example: .*fluxlit ", shown, re.MULTILINE)
    [page] = re.findall(r"^ *More: https://\S+/main/(docs/\S+?\.md)(?:#\S+)?$", shown, re.MULTILINE)
    assert (ROOT / page).is_file()


@pytest.mark.parametrize("command", ["run", "dev"])
def test_the_help_of_a_server_shows_the_common_settings(command: str) -> None:
    shown = fluxlit(command, "--help").stdout
    assert all(option in shown for option, _ in COMMON.values())
    known = {flag for setting in COMMON for flag in (describe.flag_name(setting), *describe.flag_aliases(setting))}
    assert {option.split()[0] for option, _ in COMMON.values()} <= known
    assert "--gateway-ws-ping-interval-s" not in shown
    everything = fluxlit(command, "--help-all").stdout
    panels = {"Listening:", "HTTPS:", "Public address:", "Sessions:", "Login:", "Limits and timeouts:", "WebSockets:"}
    assert panels - set(everything.splitlines()) == set()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_what_needs_no_application_imports_nothing_heavy(arguments: list[str]) -> None:
    heavy = {"fluxlit", "pydantic", "fastapi", "uvicorn", "streamlit", "httpx", "watchfiles", "rich"}
    assert imported(arguments) & heavy == set()


def test_help_is_there_in_a_quarter_of_a_second() -> None:
    # Processor time, which is all of the time on an idle machine, and steady on a busy one.
    def seconds() -> float:
        process = subprocess.Popen([*COMMAND, "--help"], stdout=subprocess.DEVNULL, env=clean_environ())
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        return used.ru_utime + used.ru_stime

    assert min(seconds() for _ in range(5)) < 0.25


def test_the_gateway_does_not_need_streamlit_to_show_help() -> None:
    assert "streamlit" not in imported(["run", "--help"])


def in_terminal(*arguments: str, columns: int = 80, **environ: str) -> str:
    """Run a command in a terminal to its end and return what it shows."""
    with terminal([*COMMAND, *arguments], cwd=Path.cwd(), environ=clean_environ(**environ), columns=columns) as found:
        found.process.wait(60)
        found.reader.join(60)
    return found.shown


def test_colours_on_a_terminal_and_nowhere_else() -> None:
    assert "\x1b[31merror:\x1b[0m No such command" in in_terminal("rum")
    assert "\x1b" not in in_terminal("rum", NO_COLOR="1")
    assert "\x1b" not in in_terminal("rum", TERM="dumb")
    assert "\x1b" not in fluxlit("rum").stderr


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["doctor", "--help"]])
def test_a_narrow_terminal_is_wide_enough(arguments: list[str]) -> None:
    lines = [line for line in in_terminal(*arguments, columns=60).splitlines() if "More: http" not in line]
    assert len(lines) > 5
    assert max(len(line) for line in lines) <= 60


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
def test_a_reader_that_leaves_is_no_error(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True, check=False, env=clean_environ()
    )
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode in {0, 1}  # Typer leaves with 1 where it notices


@pytest.mark.parametrize("arguments", ["--help", "--version", "rum"])
def test_closed_output_is_no_crash(arguments: str) -> None:
    command = " ".join(map(str, COMMAND))
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} {arguments} >&- 2>&-"], check=False, env=clean_environ(), timeout=60
    )
    assert done.returncode == (2 if arguments == "rum" else 0)


def test_a_traceback_is_shown_when_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "import nowhere\n")
    for arguments in (["run", "--debug"], ["--debug", "run"]):
        done = fluxlit(*arguments, directory=tmp_path)
        assert done.returncode == 1
        assert "Traceback" in done.stderr
        assert "error: " in done.stderr
