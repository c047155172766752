"""Build the sdist of every distribution, and its wheel from that sdist.

They go into dist/ or the folder given. Building the wheel from the sdist proves that the sdist is complete.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from uv import find_uv_bin

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Empty the output folder, then fill it."""
    output = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "dist").resolve()
    shutil.rmtree(output, ignore_errors=True)
    for project in sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml")):
        print(f"build {project.name}", flush=True)
        subprocess.run([find_uv_bin(), "build", "--quiet", "--out-dir", str(output), str(project)], check=True)
    for path in sorted(output.glob("*.whl")) + sorted(output.glob("*.tar.gz")):
        print(f"  {path.name} {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
