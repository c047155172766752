"""Virtual environments without the tree, for the tests of the wheels."""

import itertools
import os
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from uv import find_uv_bin

from tests.support.processes import ROOT, clean_environ

# The table of tested versions and its functions. Nothing of the tree is installed where these tests run.
VERSIONS = runpy.run_path(str(ROOT / "packages/fluxlit-gateway/src/fluxlit/_internal/tested_versions.py"))

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
    "fluxlit-auth": frozenset({"fluxlit-gateway", "fluxlit-sessions"}),
    "fluxlit-cli": frozenset({"fluxlit-gateway"}),
    "fluxlit-deploy": frozenset(),
    "fluxlit-gateway": frozenset(),
    "fluxlit-sessions": frozenset(),
}


def project(name: str) -> dict[str, Any]:
    """Return the [project] table of a distribution in the tree."""
    table: dict[str, Any] = tomllib.loads((ROOT / "packages" / name / "pyproject.toml").read_text())["project"]
    return table


def requirements(name: str) -> list[Requirement]:
    """Return what a distribution declares, extras included."""
    table = project(name)
    extras = table.get("optional-dependencies", {}).values()
    return [Requirement(text) for text in [*table["dependencies"], *itertools.chain.from_iterable(extras)]]


def with_extras(name: str, wheel: Path) -> str:
    """Return the requirement that installs a wheel with all of its extras."""
    return f"{name}[{','.join(project(name).get('optional-dependencies', {}))}] @ {wheel.as_uri()}"


def needed_siblings(name: str) -> set[str]:
    """Return the siblings that a distribution declares, and theirs.

    Fails at one that it may not depend on.
    """
    declared = {Requirement(text).name for text in project(name)["dependencies"]} & set(IMPORT_NAMES)
    assert declared <= SIBLINGS[name], f"{name} may not depend on {declared - SIBLINGS[name]}"
    return declared.union(*(needed_siblings(sibling) for sibling in declared))


_CREATED: list[Path] = []


@dataclass(frozen=True)
class Environment:
    """One virtual environment."""

    root: Path

    @classmethod
    def create(cls, root: Path) -> "Environment":
        """Make an empty one, on the Python that runs the tests."""
        uv("venv", "--quiet", "--python", sys.executable, str(root))
        _CREATED.append(root)
        return cls(root)

    @property
    def python(self) -> Path:
        return self.root / "bin" / "python"

    def install(
        self,
        *requirements: str | Path,
        resolution: str = "highest",
        dependencies: bool = True,
        options: Sequence[str] = (),
    ) -> None:
        """Install files and names; with further options of uv, if any.

        Siblings must be given as files: a name could find a stranger on an index.
        """
        named = [str(item) for item in requirements if isinstance(item, str)]
        assert not any(name.startswith("fluxlit") and "file://" not in name for name in named), named
        usual = ["--quiet", "--python", str(self.python), "--resolution", resolution]
        alone = [] if dependencies else ["--no-deps"]
        uv("pip", "install", *usual, *alone, *options, *map(str, requirements))
        self._borrow_bytecode()

    def _borrow_bytecode(self) -> None:
        """Link what earlier environments have compiled.

        Python compares it with the source, and compiles what is of another release again.
        """
        for other in _CREATED:
            for compiled in other.glob("lib/python*/site-packages/**/__pycache__/*.pyc"):
                target = self.root / compiled.relative_to(other)
                if target.parent.parent.is_dir() and not target.exists():
                    target.parent.mkdir(exist_ok=True)
                    os.link(compiled, target)

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
        """Run a command to its end; return its output, for any exit code."""
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
        """Return the variables of a process: this environment, an empty home."""
        home = self.root / "home"
        home.mkdir(exist_ok=True)
        path = f"{self.root / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return clean_environ(HOME=str(home), PATH=path, PYTHONUNBUFFERED="1")


def uv(*arguments: str) -> str:
    """Run uv and return its standard output; its message is the error."""
    done = subprocess.run(
        [find_uv_bin(), *arguments], env=clean_environ(), capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, f"uv {' '.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout
