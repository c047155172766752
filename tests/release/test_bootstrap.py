"""The README's set-up command in a fresh copy of the tree."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
from uv import find_uv_bin

from tests.support.processes import ROOT, background, clean_environ, descendants, wait_until_gone


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a clone of the tree would hold: no ignored file, no environment."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        source, target = ROOT / name, tmp_path / "checkout" / name
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return tmp_path / "checkout"


def fresh_environ(home: Path) -> dict[str, str]:
    """An empty home that shares downloads, to spare the registry."""
    home.mkdir()
    cache = subprocess.run([find_uv_bin(), "cache", "dir"], check=True, capture_output=True, text=True).stdout.strip()
    # Hatch's own variables are dropped with all others, so its data directory is below the new home.
    return clean_environ(HOME=str(home), UV_CACHE_DIR=cache, PYTHONUNBUFFERED="1")


@pytest.mark.timeout(1200)
def test_one_command_serves_the_example(checkout: Path, tmp_path: Path) -> None:
    environ = fresh_environ(tmp_path / "home")
    command = [sys.executable, "scripts/bootstrap.py", "example", "--port", "0"]
    for attempt in ("first", "second"):
        with background(command, cwd=checkout, environ=environ) as server:
            url = server.wait_for(r"http://127\.0\.0\.1:\d+", timeout=500)[0]
            with urlopen(f"{url}/api/readyz", timeout=60) as response:
                assert response.status == 200
            installed = any("installing Hatch" in line for line in server.output)
            assert installed == (attempt == "first")
            below = descendants(server.process.pid)
            assert server.stop() == 0
            wait_until_gone(below)


def test_it_says_what_is_missing_where_it_may_not_install(tmp_path: Path) -> None:
    # An empty PATH is a machine without apt-get.
    environ = clean_environ(PATH=str(tmp_path))
    command = [sys.executable, "scripts/bootstrap.py", "test"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "the browser of the end-to-end tests" in done.stderr
    assert re.search(r"apt-get install --yes .*\bchromium-headless-shell\b", done.stderr)
    assert "Traceback" not in done.stderr


def test_an_unknown_command_shows_all(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "bootstrap.py"), "tset"]
    done = subprocess.run(command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "bootstrap.py example" in done.stderr
