"""Virtual environments and server processes for the tests of the wheels."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from packaging.requirements import Requirement
from uv import find_uv_bin

ROOT = Path(__file__).resolve().parents[2]

# Every distribution: its import name (the meta-package has none) and the siblings that it may depend on.
IMPORT_NAMES: Mapping[str, str | None] = {
    "fluxlit": None,
    "fluxlit-auth": "fluxlit_auth",
    "fluxlit-cli": "fluxlit_cli",
    "fluxlit-deploy": "fluxlit_deploy",
    "fluxlit-gateway": "fluxlit",
    "fluxlit-sessions": "fluxlit_sessions",
}
SIBLINGS: Mapping[str, frozenset[str]] = {
    "fluxlit": frozenset(IMPORT_NAMES) - {"fluxlit"},
    "fluxlit-auth": frozenset({"fluxlit-sessions"}),
    "fluxlit-cli": frozenset({"fluxlit-gateway"}),
    "fluxlit-deploy": frozenset(),
    "fluxlit-gateway": frozenset(),
    "fluxlit-sessions": frozenset(),
}


def project(name: str) -> dict[str, Any]:
    """Return the [project] table of a distribution in the tree."""
    table: dict[str, Any] = tomllib.loads((ROOT / "packages" / name / "pyproject.toml").read_text())["project"]
    return table


def needed_siblings(name: str) -> set[str]:
    """Return the siblings that a distribution declares, and theirs; fail at one that it may not depend on."""
    declared = {Requirement(text).name for text in project(name)["dependencies"]} & set(IMPORT_NAMES)
    assert declared <= SIBLINGS[name], f"{name} may not depend on {declared - SIBLINGS[name]}"
    return declared.union(*(needed_siblings(sibling) for sibling in declared))


def clean_environ(**extra: str) -> dict[str, str]:
    """Return the environment without anything that could let the tree, or a user's settings, show through."""
    foreign = re.compile(r"PYTHON(?!UNBUFFERED)|VIRTUAL_ENV|HATCH|FLUXLIT|STREAMLIT|UVICORN|COVERAGE|PYTEST")
    return {name: value for name, value in os.environ.items() if not foreign.match(name)} | extra


@dataclass(frozen=True)
class Environment:
    """A virtual environment that knows nothing of the tree."""

    root: Path

    @classmethod
    def create(cls, root: Path) -> "Environment":
        """Make an empty one, on the Python that runs the tests."""
        uv("venv", "--quiet", "--python", sys.executable, str(root))
        return cls(root)

    @property
    def python(self) -> Path:
        return self.root / "bin" / "python"

    def install(self, *requirements: str | Path, resolution: str = "highest") -> None:
        """Install files and names. Siblings must be given as files: a name could find a stranger on an index."""
        named = [str(item) for item in requirements if isinstance(item, str)]
        assert not any(name.startswith("fluxlit") for name in named), named
        options = ["--quiet", "--python", str(self.python), "--resolution", resolution]
        uv("pip", "install", *options, *map(str, requirements))

    def packages(self) -> dict[str, str]:
        """Return the version of everything that is installed."""
        lines = uv("pip", "list", "--quiet", "--format", "freeze", "--python", str(self.python)).splitlines()
        return dict(line.split("==") for line in lines)

    def check(self) -> None:
        """Fail if an installed distribution misses a requirement."""
        uv("pip", "check", "--quiet", "--python", str(self.python))

    def command(self, name: str) -> str:
        """Return the path of an installed console script."""
        return str(self.root / "bin" / name)

    def run(self, *command: str | Path, cwd: Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and return what it printed, whatever its exit code."""
        return subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def environ(self) -> dict[str, str]:
        """Return a process environment in which this environment is active and the home directory empty."""
        home = self.root / "home"
        home.mkdir(exist_ok=True)
        path = f"{self.root / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return clean_environ(HOME=str(home), PATH=path, PYTHONUNBUFFERED="1")


def uv(*arguments: str) -> str:
    """Run uv and return its standard output; its message is the error."""
    done = subprocess.run(
        [find_uv_bin(), *arguments], env=clean_environ(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"uv {' '.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout


@dataclass
class Server:
    """A running server process and what it has printed."""

    process: subprocess.Popen[str]
    output: list[str] = field(default_factory=list)

    def read(self) -> None:
        """Collect the output until the process closes it."""
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self.output.append(line)

    def wait_for(self, pattern: str, timeout: float) -> re.Match[str]:
        """Return the first match in the output; fail with the output when the process ends or time runs out."""
        deadline = time.monotonic() + timeout
        while True:
            ended = self.process.poll() is not None
            if match := re.search(pattern, "".join(self.output)):
                return match
            assert not ended, f"ended with {self.process.returncode} before {pattern!r}:\n{''.join(self.output)}"
            assert time.monotonic() < deadline, f"no {pattern!r} within {timeout} s:\n{''.join(self.output)}"
            time.sleep(0.02)

    def stop(self, timeout: float = 40) -> int:
        """Send SIGINT as Ctrl-C does, and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout)


@contextlib.contextmanager
def serve(environment: Environment, *command: str | Path, cwd: Path) -> Iterator[Server]:
    """Start a server, and end it and all of its descendants whatever happens."""
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=cwd,
        env=environment.environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    server = Server(process)
    reader = threading.Thread(target=server.read, daemon=True)
    reader.start()
    try:
        yield server
    finally:
        for straggler in descendants(process.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                straggler.kill()
        if process.poll() is None:
            process.kill()
        process.wait()
        reader.join(timeout=10)


def descendants(pid: int) -> list[psutil.Process]:
    """Return the living processes below this one; none if it has ended."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def wait_until_gone(processes: list[psutil.Process], timeout: float = 10) -> None:
    """Fail if one of these processes still lives when the time is up."""
    _, alive = psutil.wait_procs(processes, timeout=timeout)
    assert not alive, f"left behind: {alive}"
