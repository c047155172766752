"""The folders of finished variants.

What they trust, and what they survive.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fluxlit.frontend import Cache
from fluxlit.frontend.cache import UNFINISHED, UNFINISHED_S, environment_folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    return tmp_path / "home"


@pytest.fixture
def shelf(tmp_path: Path) -> Cache:
    (tmp_path / "shelf").mkdir()
    return Cache([tmp_path / "shelf"], tmp_path / "shelf")


def test_what_is_kept_comes_back_whole(shelf: Cache) -> None:
    shelf.put("a.br11", b"body")
    assert shelf.get("a.br11") == b"body"
    assert shelf.get("b.br11") is None


def test_a_folder_that_others_may_write_is_not_used(home: Path) -> None:
    folder = Cache.of("1.0").writable
    assert folder is not None
    folder.chmod(0o777)
    assert (Cache.of("1.0").folders, Cache.of("1.0").writable) == ((), None)
    environment_folder("1.0").mkdir(parents=True)
    environment_folder("1.0").chmod(0o775)
    assert Cache.of("1.0").folders == ()


def test_a_read_only_home_is_no_obstacle(home: Path) -> None:
    home.write_text("a file in its place")
    shelf = Cache.of("1.0")
    assert (shelf.folders, shelf.writable) == ((), None)
    shelf.put("a.br11", b"body")
    assert shelf.get("a.br11") is None


def test_a_user_without_a_home_is_no_obstacle(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")

    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    assert Cache.of("1.0").writable is None


def test_what_an_image_was_built_with_is_found_without_writing_anywhere(home: Path) -> None:
    built = Cache.to_fill("1.0")
    assert built is not None
    assert built.writable == environment_folder("1.0")
    built.put("a.br11", b"body")
    home.write_text("a file in its place")
    assert Cache.of("1.0").get("a.br11") == b"body"
    assert Cache.of("1.1").get("a.br11") is None, "another version has other files"


def test_without_a_writable_environment_the_user_s_cache_is_filled(home: Path, tmp_path: Path) -> None:
    (tmp_path / "environment").write_text("a file in its place")
    shelf = Cache.to_fill("1.0")
    assert shelf is not None
    assert shelf.writable == home / "fluxlit" / "streamlit-1.0"
    home.chmod(0o700)
    shelf.writable.chmod(0o777)
    assert Cache.to_fill("1.0") is None


def test_what_cannot_be_written_leaves_nothing_behind(shelf: Cache) -> None:
    assert shelf.writable is not None
    (shelf.writable / "a.br11").mkdir()
    with pytest.raises(OSError, match=r"a\.br11"):
        shelf.put("a.br11", b"body")
    assert [file.name for file in shelf.writable.iterdir()] == ["a.br11"]


def test_what_killed_processes_left_is_removed_but_not_what_is_being_written(shelf: Cache) -> None:
    assert shelf.writable is not None
    old, new = shelf.writable / f"{UNFINISHED}old", shelf.writable / f"{UNFINISHED}new"
    old.write_bytes(b"half")
    new.write_bytes(b"half")
    past = time.time() - UNFINISHED_S - 60
    os.utime(old, (past, past))
    shelf.put("a.br11", b"body")
    shelf.tidy()
    assert sorted(file.name for file in shelf.writable.iterdir()) == ["a.br11", new.name]


WRITER = """
import pathlib, sys
from fluxlit.frontend import Cache
cache = Cache([pathlib.Path(sys.argv[1])], pathlib.Path(sys.argv[1]))
print("writing", flush=True)
while True:
    for number in range(4):
        cache.put(f"{number}.br11", bytes([number]) * 300_000)
"""


def test_several_writers_that_are_killed_in_the_middle_leave_nothing_half(shelf: Cache) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(shelf.writable)], stdout=subprocess.PIPE) for _ in range(3)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            writer.stdout.readline()
        seen = 0
        deadline = time.monotonic() + 60
        while seen < 200:
            assert time.monotonic() < deadline
            for number in range(4):
                found = shelf.get(f"{number}.br11")
                assert found is None or found == bytes([number]) * 300_000
                seen += found is not None
    finally:
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
    assert [shelf.get(f"{number}.br11") for number in range(4)] == [bytes([number]) * 300_000 for number in range(4)]
