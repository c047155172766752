"""Run mypy for packages, tests and scripts at once, and for each example.

One call per example because their module names repeat. Every group is checked even when one fails.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def groups() -> list[list[str]]:
    """Return the folders to check together: those that hold Python."""
    together = [*sorted(ROOT.glob("packages/*/src")), ROOT / "tests", ROOT / "scripts", ROOT / "benchmarks"]
    alone = [*sorted(ROOT.glob("examples/*")), *sorted(ROOT.glob("docker/*"))]
    found = [[path for path in group if any(path.rglob("*.py"))] for group in [together, *([each] for each in alone)]]
    return [[str(path.relative_to(ROOT)) for path in group] for group in found if group]


def environ(group: list[str]) -> dict[str, str]:
    """Return the environment for one call.

    Programs outside the packages import their neighbours by name.
    """
    own = [str(ROOT / path) for path in group if path.startswith(("benchmarks", "examples", "docker"))]
    return {**os.environ, "MYPYPATH": os.pathsep.join(own)} if own else dict(os.environ)


def main() -> int:
    """Check the folders named on the command line, else all of them."""
    failed = []
    for group in [[path] for path in sys.argv[1:]] or groups():
        print(f"mypy {' '.join(group)}: ", end="", flush=True)
        if subprocess.call([sys.executable, "-m", "mypy", *group], cwd=ROOT, env=environ(group)):
            failed += group
    if failed:
        print(f"mypy failed for: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
