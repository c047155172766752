"""Write tests/deploy/golden/: the main combinations of `fluxlit build`.

Read the difference afterwards.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.deploy.golden.cases import FOLDER, golden_files


def main() -> None:
    """Replace all of them; one that is made no more goes."""
    files = golden_files()
    for path in FOLDER.glob("*.txt"):
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
