"""examples/docker_compose is what the command makes of it today."""

from __future__ import annotations

from pathlib import Path

from tests.cli.command import fluxlit
from tests.deploy.compose.reader import SECRETS, load
from tests.support.processes import ROOT

EXAMPLE = ROOT / "examples" / "docker_compose"


def tree(folder: Path) -> dict[str, str]:
    found = [folder / "Dockerfile", folder / ".dockerignore", folder / "compose.yaml", *(folder / "edge").rglob("*")]
    return {str(path.relative_to(folder)): path.read_text() for path in found if path.is_file()}


def test_the_example_is_current(tmp_path: Path) -> None:
    done = fluxlit("build", "--compose", "--output", str(tmp_path), directory=EXAMPLE)

    assert done.returncode == 0, done.stderr
    assert tree(EXAMPLE) == tree(tmp_path), "run `fluxlit build --compose --force` in examples/docker_compose"


def test_the_example_has_no_findings(tmp_path: Path) -> None:
    """Without uv, which would look for the wheels that a clone does not have."""
    done = fluxlit("build", "--check", directory=EXAMPLE, PATH=str(tmp_path))

    assert (done.returncode, done.stdout) == (0, "Nothing to say.\n")


def test_compose_takes_the_example() -> None:
    found = load((EXAMPLE / "compose.yaml").read_text(), SECRETS, "replicas")

    assert set(found["services"]) == {"app", "app-2", "edge", "redis"}
