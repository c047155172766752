"""Run mypy once per distribution, then once for the tests and for each group of scripts.

One call per group because module names repeat between them. Every group is checked even when one fails.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def groups() -> list[str]:
    """Return the folders to check: whatever exists and holds Python."""
    distributions = sorted(ROOT.glob("packages/*/src"))
    others = [ROOT / name for name in ("tests", "scripts", "benchmarks", "examples")]
    return [str(path.relative_to(ROOT)) for path in [*distributions, *others] if any(path.rglob("*.py"))]


def main() -> int:
    """Check the folders named on the command line, else all of them."""
    failed = []
    for group in sys.argv[1:] or groups():
        print(f"mypy {group}: ", end="", flush=True)
        if subprocess.call([sys.executable, "-m", "mypy", group], cwd=ROOT):
            failed.append(group)
    if failed:
        print(f"mypy failed for: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
