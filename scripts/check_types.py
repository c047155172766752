"""Run mypy once for each distribution, the tests and groups of scripts.

One call per group because module names repeat between them. Every group is checked even when one fails.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def groups() -> list[str]:
    """Return the folders to check: those that exist and hold Python."""
    found = [*sorted(ROOT.glob("packages/*/src")), ROOT / "tests", ROOT / "scripts", ROOT / "benchmarks"]
    found += [*sorted(ROOT.glob("examples/*")), *sorted(ROOT.glob("docker/*"))]
    return [str(path.relative_to(ROOT)) for path in found if any(path.rglob("*.py"))]


def environ(group: str) -> dict[str, str]:
    """Return the environment for one call.

    Programs outside the packages import their neighbours by name.
    """
    alone = group.startswith(("benchmarks", "examples", "docker"))
    return {**os.environ, "MYPYPATH": str(ROOT / group)} if alone else dict(os.environ)


def main() -> int:
    """Check the folders named on the command line, else all of them."""
    failed = []
    for group in sys.argv[1:] or groups():
        print(f"mypy {group}: ", end="", flush=True)
        if subprocess.call([sys.executable, "-m", "mypy", group], cwd=ROOT, env=environ(group)):
            failed.append(group)
    if failed:
        print(f"mypy failed for: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
