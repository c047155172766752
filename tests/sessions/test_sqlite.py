"""The session file: several processes, crashes, full disks, wrong files."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

from fluxlit_sessions import (
    SessionStoreError,
    SessionStoreUnavailable,
    SQLiteSessionStore,
)
from fluxlit_sessions.testing import ManualClock
from tests.sessions.servers import wait_until

COUNT_UP = """
    import sys
    from fluxlit_sessions import SessionConflict, SQLiteSessionStore
    store = SQLiteSessionStore(sys.argv[1], timeout=60)
    session_id, left = sys.argv[2], int(sys.argv[3])
    while left:
        session = store.read(session_id)
        try:
            store.save(session, {**session.data, "n": session.data["n"] + 1})
            left -= 1
        except SessionConflict:
            pass
        store.create({"by": sys.argv[4]})
"""


def start(code: str, *args: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), *map(str, args)])


def test_several_processes_lose_no_increment(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with SQLiteSessionStore(path) as store:
        session = store.create({"n": 0})
        processes = [start(COUNT_UP, path, session.id, 50, number) for number in range(3)]
        assert [process.wait(300) for process in processes] == [0] * 3
        found = store.read(session.id)
        assert found is not None
        assert (found.data, found.version) == ({"n": 150}, 151)
        assert store.count() >= 151


def test_several_processes_can_create_the_file_at_once(tmp_path: Path) -> None:
    code = """
        import sys
        from fluxlit_sessions import SQLiteSessionStore
        SQLiteSessionStore(sys.argv[1], timeout=60).create()
    """
    processes = [start(code, tmp_path / "s.db") for _ in range(4)]
    assert [process.wait(300) for process in processes] == [0] * 4
    with SQLiteSessionStore(tmp_path / "s.db") as store:
        assert store.count() == 4


def test_two_stores_of_one_process_see_what_others_write(tmp_path: Path) -> None:
    """A second store must not drop the locks of the first."""
    script = """
        import sys
        from fluxlit_sessions import SQLiteSessionStore
        with SQLiteSessionStore(sys.argv[1]) as store:
            store.create({"n": 1}, session_id=store.derive_id("note", sys.argv[2]))
        """
    path = tmp_path / "s.db"
    with SQLiteSessionStore(path) as one:
        one.create()
        with SQLiteSessionStore(path, namespace="other") as two:
            two.create()
            for note in ("first", "second"):
                subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(path), note], check=True)
                assert one.read(one.derive_id("note", note)) is not None


def test_what_was_acknowledged_survives_kill_minus_nine(tmp_path: Path) -> None:
    path, log = tmp_path / "s.db", tmp_path / "acknowledged"
    code = """
        import sys
        from fluxlit_sessions import SQLiteSessionStore
        store, log = SQLiteSessionStore(sys.argv[1]), open(sys.argv[2], "w", buffering=1)
        session = store.create({"n": 0})
        log.write(session.id + "\\n")
        while True:
            session = store.save(session, {"n": session.version})
            log.write(f"{session.version}\\n")
    """
    process = start(code, path, log)
    wait_until(lambda: log.exists() and log.read_text().count("\n") > 100)
    process.send_signal(signal.SIGKILL)
    process.wait()
    session_id, *versions = log.read_text().split()
    with SQLiteSessionStore(path) as store:
        found = store.read(session_id)
        assert found is not None
        assert found.version in {int(versions[-1]), int(versions[-1]) + 1}  # the last may not have been logged
        assert found.data == {"n": found.version - 1}


def test_sessions_survive_a_restart(tmp_path: Path) -> None:
    with SQLiteSessionStore(tmp_path / "s.db") as store:
        session = store.create({"a": 1}, subject="ada")
    with SQLiteSessionStore(tmp_path / "s.db") as store:
        assert store.read(session.id) == session


def test_a_writer_that_waits_too_long_says_so_and_readers_go_on(tmp_path: Path) -> None:
    with SQLiteSessionStore(tmp_path / "s.db", timeout=0.1) as store:
        session = store.create({"a": 1})
        blocker = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(SessionStoreUnavailable, match="locked") as caught:
            store.save(session, {"a": 2})
        assert not caught.value.may_have_applied
        assert store.read(session.id) == session
        blocker.execute("ROLLBACK")
        blocker.close()
        assert store.save(session, {"a": 2}).version == 2


def test_expired_sessions_leave_the_file(tmp_path: Path) -> None:
    clock = ManualClock()
    with SQLiteSessionStore(tmp_path / "s.db", clock=clock, idle_ttl=100) as store:
        for number in range(700):
            store.create({"n": number})
        clock.advance(100)
        store.create()
        store.create()
        rows = sqlite3.connect(tmp_path / "s.db")
        assert rows.execute("SELECT count(*) FROM records").fetchone() == (2,)
        rows.close()


def test_threads_that_come_and_go_leave_few_connections(tmp_path: Path) -> None:
    with SQLiteSessionStore(tmp_path / "s.db", timeout=60) as store:
        for _ in range(20):
            threads = [threading.Thread(target=store.create) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert store.count() == 80
        opened = [link for link in Path("/proc/self/fd").iterdir() if _target(link).endswith("s.db")]
        assert len(opened) <= 5


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


FILL = """
    import sys
    from fluxlit_sessions import SessionStoreFull, SQLiteSessionStore
    store = SQLiteSessionStore(sys.argv[1] + "/s.db")
    users = [store.create({"n": number}, subject=f"user {number}") for number in range(60)]
    login = store.put_once("login", {"n": 1}, ttl=3600)
    for size in (3000, 1):
        try:
            while True:
                store.create({"large": "x" * size})
        except SessionStoreFull as error:
            print(error, flush=True)
    assert store.read(users[0].id) == users[0]
    for user in users[:50]:
        store.delete(user.id)
    assert store.delete_subject("user 50") == 1
    assert store.take_once("login", login) == {"n": 1}
    assert store.rotate(users[51]).version == 2
    assert store.save(users[52], {"n": 0}).version == 2
    assert store.count(subject="user 1") == 0
"""


def test_a_full_disk_is_reported_and_sessions_can_be_read_used_and_ended(tmp_path: Path) -> None:
    """On a file system of its own, in a mount namespace."""
    script = 'mount -t tmpfs -o size=12m none "$1" && exec "$2" -c "$3" "$1"'
    command: list[Any] = ["unshare", "-rm", "sh", "-c", script, "sh", tmp_path, sys.executable, textwrap.dedent(FILL)]
    probe = [*command[:4], script.partition("&&")[0], "sh", tmp_path]
    if subprocess.run(probe, check=False, capture_output=True).returncode:
        pytest.skip("needs to mount a file system")
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.count("s.db is full: database or disk is full.") == 2


def test_a_file_of_a_newer_layout_is_refused(tmp_path: Path) -> None:
    SQLiteSessionStore(tmp_path / "s.db").close()
    file = sqlite3.connect(tmp_path / "s.db")
    file.execute("PRAGMA user_version=99")
    file.close()
    with pytest.raises(SessionStoreError, match="newer"):
        SQLiteSessionStore(tmp_path / "s.db")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SessionStoreError, match="No such file or directory"):
        SQLiteSessionStore(tmp_path / "nowhere" / "s.db")


def test_a_file_that_is_something_else_is_reported(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_bytes(b"not a database" * 100)
    with pytest.raises(SessionStoreUnavailable, match="not a database"):
        SQLiteSessionStore(tmp_path / "s.db")


def test_the_session_file_is_for_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with SQLiteSessionStore(tmp_path / "s.db") as store:
            store.create()
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert set(modes) == {"s.db", "s.db-wal", "s.db-shm"}
    assert set(modes.values()) == {0o600}
