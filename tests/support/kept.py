"""What tests fetch or build once, kept in `.tools/`.

The next run finds it there, and so do the processes of pytest-xdist.
"""

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

from tests.support.processes import ROOT

TOOLS = ROOT / ".tools"


def kept(name: str, make: Callable[[Path], None]) -> Path:
    """A folder of that name; it is complete, or not there.

    Args:
        name: with a digest of everything that its content depends on.
        make: fills an empty folder. One process calls it, others wait for that one.
    """
    target = TOOLS / name
    if not target.is_dir():
        TOOLS.mkdir(exist_ok=True)
        with (TOOLS / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.is_dir():
                folder = Path(mkdtemp(prefix=f"{name}-", dir=TOOLS))
                try:
                    make(folder)
                    folder.chmod(0o755)
                    folder.rename(target)
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
    return target
