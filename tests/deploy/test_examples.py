"""The lock files of the examples fit FluxLit as it is."""

from __future__ import annotations

import subprocess
from pathlib import Path

from uv import find_uv_bin

from tests.deploy.examples import NAMES, copied
from tests.support.processes import ROOT, clean_environ


def test_the_lock_file_is_current(tmp_path: Path) -> None:
    """Both need the same, so they have the same lock file."""
    locks = {(ROOT / "examples" / name / "uv.lock").read_text() for name in NAMES}
    assert len(locks) == 1
    command = [find_uv_bin(), "lock", "--check", "--offline"]
    folder = copied(NAMES[0], tmp_path)
    done = subprocess.run(command, cwd=folder, env=clean_environ(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"Run uv lock in examples/, with the wheels as the README shows.\n{done.stderr}"
