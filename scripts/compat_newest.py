"""Try FluxLit with the newest releases of what it builds on.

``hatch run compat:newest`` ignores the ceilings in the metadata. Where a set of versions does not serve, each
distribution is tried alone, at its newest, among tested ones.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from tests.release.environments import VERSIONS, Environment, requirements
from tests.release.smoke import FLUXLIT_RUN, UVICORN, smoke
from tests.support.processes import ROOT

PARTS = ("fluxlit-gateway", "fluxlit-sessions", "fluxlit-cli", "fluxlit-auth", "fluxlit-deploy")
KINDS = {"releases": (), "pre-releases": ("--prerelease", "allow")}


@dataclass(frozen=True)
class RestoreCheck:
    """One set of versions.

    Attributes:
        title: what was tried.
        versions: distribution -> installed version.
        fault: why it does not serve, empty if it does.
        warnings: warnings in the log of the server.
    """

    title: str
    versions: dict[str, str]
    fault: str
    warnings: list[str]


def attempt(title: str, freed: set[str], options: tuple[str, ...]) -> RestoreCheck:
    """Install FluxLit with some ceilings lifted, and serve with both servers."""
    with tempfile.TemporaryDirectory(prefix="fluxlit-compat-") as name:
        folder = Path(name)
        overrides = folder / "overrides.txt"
        floors = {each.name: str(next(part for part in each.specifier if part.operator == ">=")) for each in declared()}
        overrides.write_text("".join(f"{each}{floors[each]}\n" for each in sorted(freed)))
        environment = Environment.create(folder / "venv")
        versions: dict[str, str] = {}
        warnings: list[str] = []
        try:
            environment.install(
                *(ROOT / "packages" / part for part in PARTS), options=["--overrides", str(overrides), *options]
            )
            installed = environment.packages()
            versions = {each: installed[each] for each in VERSIONS["TESTED"]}
            for command in (UVICORN, FLUXLIT_RUN):
                output = smoke(environment, folder, command)
                warnings += [line.strip() for line in output if "WARNING" in line or "Off with" in line]
        except Exception as error:  # noqa: BLE001  (any failure is a result here)
            return RestoreCheck(title, versions, f"{type(error).__name__}: {error}", warnings)
        return RestoreCheck(title, versions, "", warnings)


def declared() -> list[Requirement]:
    """The requirements with a tested range."""
    return [each for each in requirements("fluxlit-gateway") if each.name in VERSIONS["TESTED"]]


def rows(trial: RestoreCheck) -> list[tuple[str, str, str, str]]:
    """One line of the table for each distribution."""
    outcome = "does not serve" if trial.fault else "serves"
    return [
        (
            trial.title,
            name,
            version + ("" if VERSIONS["is_tested"](name, version) else f" (tested: {VERSIONS['tested_range'](name)})"),
            outcome,
        )
        for name, version in trial.versions.items()
    ] or [(trial.title, "-", "-", outcome)]


def table(lines: list[tuple[str, str, str, str]]) -> str:
    """The table as text."""
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def main() -> int:
    """Print the table; fail if the newest releases do not serve."""
    trials = []
    for kind, options in KINDS.items():
        trial = attempt(f"newest {kind}", set(VERSIONS["TESTED"]), options)
        trials.append(trial)
        if trial.fault:
            trials += [attempt(f"{name} alone, {kind}", {name}, options) for name in VERSIONS["TESTED"]]
    print(
        table([("versions", "distribution", "installed", "result"), *(row for trial in trials for row in rows(trial))])
    )
    for trial in trials:
        for line in dict.fromkeys(trial.warnings):
            print(f"\n{trial.title}: {line}")
        if trial.fault:
            print(f"\n{trial.title}: {trial.fault}")
    return int(bool(trials[0].fault))


if __name__ == "__main__":
    sys.exit(main())
