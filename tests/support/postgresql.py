"""A real PostgreSQL of one's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest


@contextmanager
def open_postgresql() -> Iterator[str]:
    """Run an empty database, on a UNIX socket only, and yield its URL."""
    programs = sorted(each.parent for each in Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.fail("There is no PostgreSQL. Install it: apt-get install postgresql", pytrace=False)
    # The server refuses to run as root, and its user cannot enter pytest's folders.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="flx-pg"))
    data, log = folder / "data", folder / "log"
    if user is not None:
        shutil.chown(folder, user)
    initdb = [str(programs[-1] / "initdb"), "--username=test", "--auth=trust", "--no-sync", f"--pgdata={data}"]
    subprocess.run(initdb, check=True, capture_output=True, user=user, cwd=folder, timeout=120)
    settings = ["listen_addresses=", "fsync=off", f"unix_socket_directories={folder}"]
    command = [str(programs[-1] / "postgres"), "-D", str(data), *(word for each in settings for word in ("-c", each))]
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, user=user, cwd=folder)
    try:
        deadline = time.monotonic() + 60
        while not _accepts(folder):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield f"postgresql+psycopg://test@/postgres?host={folder}"
    finally:
        server.terminate()
        server.wait(60)
        shutil.rmtree(folder)


def _accepts(folder: Path) -> bool:
    try:
        psycopg.connect(host=str(folder), user="test", dbname="postgres").close()
    except psycopg.OperationalError:
        return False
    return True
