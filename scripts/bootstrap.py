#!/usr/bin/env python3
"""Set up what is missing on this machine, then run example or tests.

    python3 scripts/bootstrap.py example [arguments of `fluxlit run`]
    python3 scripts/bootstrap.py setup
    python3 scripts/bootstrap.py fast
    python3 scripts/bootstrap.py test [arguments of `hatch test`]
    python3 scripts/bootstrap.py hatch [arguments of `hatch`]

Needs a Python from 3.11 to 3.13 and nothing else: Hatch goes into a private environment, `.tools/` in the
checkout. System packages come from `scripts/system-packages.txt` through apt, as root or with sudo; where
neither works the script lists what is missing and stops. A second call finds everything in place.

This file keeps to syntax that old Pythons can parse, so that they can say that they are too old.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, NoReturn

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
PACKAGE_LIST = ROOT / "scripts" / "system-packages.txt"
HATCH = "hatch>=1.18,<2"
# The tests wait as long as they compute. A file's tests stay together: they share servers.
WHOLE_SUITE = ["tests", "--numprocesses=4", "--dist=loadfile", "--no-loadscope-reorder"]
FAST = [*WHOLE_SUITE, "--ignore=tests/integration", "-m", "not slow and not browser"]
OLDEST, NEWEST = (3, 11), (3, 13)


class SystemPackage(NamedTuple):
    """One line of the package list."""

    name: str
    evidence: str
    purpose: str

    def present(self) -> bool:
        """Whether the command or path that proves the package exists."""
        if self.evidence.startswith("/"):
            return Path(self.evidence).exists()
        # Daemons live in sbin, which is not on the PATH of an ordinary user.
        path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
        return shutil.which(self.evidence, path=path) is not None


def say(message: str) -> None:
    """Print one line of progress, at once even into a pipe."""
    print("bootstrap: " + message, flush=True)


def fail(message: str) -> NoReturn:
    """Stop with a message about what to do."""
    sys.exit("bootstrap: error: " + message)


def run(command: list[str], *, quiet: bool = False) -> None:
    """Run a step of the set-up, or stop and name the failed command.

    Args:
        command: the program and its arguments.
        quiet: drop standard output; standard error stays.
    """
    say(f"$ {' '.join(command)}")
    try:
        code = subprocess.call(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL if quiet else None, cwd=ROOT
        )
    except KeyboardInterrupt:
        sys.exit(130)
    if code:
        fail(f"that command failed with exit code {code}; its output above has the reason.")


def this_python() -> str:
    """Return the running Python's version, as in 3.11."""
    return "{}.{}".format(*sys.version_info[:2])


def use_a_supported_python() -> None:
    """Continue under a Python that FluxLit supports, or stop."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        python = shutil.which(f"python3.{minor}")
        # A version manager puts commands on PATH for versions that are not there: try before trusting.
        if python and subprocess.call([python, "-c", ""], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0:
            os.execv(python, [python] + sys.argv)  # noqa: RUF005, S606
    fail(
        f"FluxLit needs Python 3.11, 3.12 or 3.13; this is {this_python()} and no other is on PATH. "
        "On Debian 12 or later: apt-get install python3 python3-venv"
    )


def listed_packages() -> list[SystemPackage]:
    """Read the package list."""
    lines = [line.strip() for line in PACKAGE_LIST.read_text(encoding="utf-8").splitlines()]
    return [
        SystemPackage(*(field.strip() for field in line.split("|")))
        for line in lines
        if line and not line.startswith("#")
    ]


def apt_prefix() -> list[str] | None:
    """Return what goes before `apt-get` to install, None where it cannot."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo is None:
        return None
    if sys.stdin.isatty():
        return [sudo]
    # There is no terminal for a password.
    return [sudo, "-n"] if subprocess.call([sudo, "-n", "true"], stderr=subprocess.DEVNULL) == 0 else None


def install(packages: list[SystemPackage]) -> None:
    """Install Debian packages, or stop and list the missing ones."""
    names = [package.name for package in packages]
    prefix = apt_prefix()
    if prefix is None:
        lines = [f"  {package.name:18} {package.purpose}" for package in packages]
        fail(
            "missing on this machine, and this user may not install:\n"
            + "\n".join(lines)
            + "\nInstall them and try again. On Debian or Ubuntu, as root:\n"
            + f"  apt-get update && apt-get install --yes {' '.join(names)}"
        )
    say("installing " + ", ".join(f"{package.name} ({package.purpose})" for package in packages))
    apt_get = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    run([*apt_get, "update"], quiet=True)
    run([*apt_get, "install", "--yes", "--no-install-recommends", *names], quiet=True)


def hatch() -> str:
    """Return the path of a private Hatch, installed on the first call."""
    home = TOOLS / f"hatch-py{this_python()}"
    program = home / "bin" / "hatch"
    stamp = home / "installed.txt"
    # The stamp is written last: without it the environment may be half made.
    if program.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == HATCH:
        return str(program)
    if importlib.util.find_spec("ensurepip") is None:  # Debian ships venv without the part that makes it work.
        name = f"python{this_python()}-venv"
        install([SystemPackage(name, "", "Python's own virtual environments")])
    say(f"installing Hatch into {home.relative_to(ROOT)}")
    run([sys.executable, "-m", "venv", "--clear", str(home)])
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--no-compile", "-qq", "--disable-pip-version-check"]
    run([*pip, HATCH])  # what it imports is compiled then
    stamp.write_text(HATCH, encoding="utf-8")
    return str(program)


def replace_process(command: list[str], directory: Path, extra_path: Path | None = None) -> NoReturn:
    """Become another program, so that signals and the exit code are its own."""
    if extra_path is not None:
        os.environ["PATH"] = str(extra_path) + os.pathsep + os.environ.get("PATH", os.defpath)
    os.chdir(directory)
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606


def example(arguments: list[str]) -> NoReturn:
    """Serve examples/quickstart until Ctrl-C."""
    program = hatch()
    # Unlike `hatch env create`, this also installs what an existing environment has come to miss.
    run([program, "run", "python", "--version"])
    found = subprocess.check_output([program, "env", "find", "default"], cwd=ROOT)
    scripts = Path(found.decode().strip()) / "bin"
    say("starting examples/quickstart; Ctrl-C stops it")
    replace_process([str(scripts / "fluxlit"), "run", *arguments], ROOT / "examples" / "quickstart", scripts)


def setup(_arguments: list[str]) -> None:
    """Install everything that the tests need from outside of Python."""
    missing = [package for package in listed_packages() if not package.present()]
    if missing:
        install(missing)
    hatch()


def test(arguments: list[str]) -> NoReturn:
    """Run the test suite; in several processes, unless arguments are given."""
    setup([])
    arguments = arguments or WHOLE_SUITE
    say(f"$ hatch test {' '.join(arguments)}")
    replace_process([hatch(), "test", *arguments], ROOT)


def fast(arguments: list[str]) -> NoReturn:
    """Run the tests that are neither slow nor need a browser."""
    program = shutil.which("hatch") or hatch()
    replace_process([program, "test", *FAST, *arguments], ROOT)


def run_hatch(arguments: list[str]) -> NoReturn:
    """Run the private Hatch with any arguments."""
    program = hatch()
    replace_process([program, *arguments], ROOT)


COMMANDS = {"example": example, "setup": setup, "test": test, "fast": fast, "hatch": run_hatch}


def main() -> None:
    """Entry point."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in COMMANDS:
        fail(f"say what to run.\n{__doc__}")
    use_a_supported_python()
    # Hundreds of processes start: each of them would compile all that it imports.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    COMMANDS[name](sys.argv[2:])


if __name__ == "__main__":
    main()
