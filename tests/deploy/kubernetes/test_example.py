"""examples/kubernetes is what the command makes of it today."""

from __future__ import annotations

from pathlib import Path

from tests.cli.command import fluxlit
from tests.support.processes import ROOT

EXAMPLE = ROOT / "examples" / "kubernetes"


def tree(folder: Path) -> dict[str, str]:
    files = (path for name in ("kubernetes", "helm") for path in (folder / name).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def test_the_example_is_current(tmp_path: Path) -> None:
    done = fluxlit("build", "--kubernetes", "--helm", "--output", str(tmp_path), directory=EXAMPLE)

    assert done.returncode == 0, done.stderr
    assert tree(EXAMPLE) == tree(tmp_path), "run `fluxlit build --kubernetes --helm --force` in examples/kubernetes"


def test_the_example_has_no_findings() -> None:
    done = fluxlit("build", "--check", directory=EXAMPLE)

    assert "kubernetes-" not in done.stdout
