"""The process that compresses beside the gateway, and ends with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import brotli
import psutil
import pytest

from fluxlit.frontend import Cache, Files

# The environment that runs the tests may be prepared already.
PROGRAM = """
import sys
sys.prefix = sys.argv[1]
from fluxlit.frontend.precompression import main
sys.exit(main())
"""


@pytest.fixture
def files() -> Files:
    found = Files.of_streamlit()
    assert found is not None
    return found


def smallest(files: Files) -> str:
    scripts = [asset for asset in files.assets().values() if asset.file.suffix == ".js"]
    return min(scripts, key=lambda asset: asset.file.stat().st_size).path


def test_it_makes_what_it_is_asked_for_and_passes_over_what_is_no_file(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = smallest(files)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "environment")], stdin=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(["/static/../../etc/passwd", "/static/js/gone.js", path]).encode() + b"\n")
        process.stdin.flush()
        assert process.wait(60) == 0
    shelf = Cache([tmp_path / "fluxlit" / f"streamlit-{files.version}"], None)
    (kept,) = shelf.folders[0].iterdir()
    body = shelf.get(kept.name)
    assert body is not None
    assert brotli.decompress(body) == files.assets()[path].file.read_bytes()


def test_it_runs_at_the_lowest_priority_and_ends_with_the_gateway(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    everything = [asset.path for asset in files.assets().values()]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "environment")], stdin=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(everything).encode() + b"\n")
        process.stdin.flush()
        folder = tmp_path / "fluxlit" / f"streamlit-{files.version}"
        while not folder.is_dir():
            assert process.poll() is None
        assert psutil.Process(process.pid).nice() == 19
        process.stdin.close()
        assert process.wait(60) == 0
    shelf = Cache([folder], None)
    names = [file.name for file in folder.iterdir() if not file.name.startswith("unfinished-")]
    assert len(names) < len(everything)
    assert all(shelf.get(name) is not None for name in names)
