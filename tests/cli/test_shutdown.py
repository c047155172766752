"""`fluxlit shutdown` ends the right process and reports the truth."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from fluxlit.server.run_directory import base_directory
from fluxlit.testing import Server, run_server
from tests.cli.command import fluxlit, says, write

pytestmark = pytest.mark.slow

APP = """
import asyncio

from fluxlit import FluxLit

app = FluxLit()


@app.api.get("/slow")
async def slow(seconds: float) -> str:
    open("begun", "w").close()
    await asyncio.sleep(seconds)
    return "done"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(tmp_path, APP)


@contextmanager
def running(project: Path, **settings: object) -> Iterator[Server]:
    with run_server("app:app", project, command="run", **settings) as server:  # type: ignore[arg-type]
        yield server


def alive(server: Server) -> bool:
    return server.process.poll() is None


def ask_slowly(server: Server, project: Path, seconds: float) -> None:
    """Have a request under way."""
    program = f"import urllib.request as u; u.urlopen('{server.api_url}/slow?seconds={seconds}').read()"
    asking = subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.DEVNULL, env={**os.environ, "no_proxy": "*"}
    )
    threading.Thread(target=asking.wait, daemon=True).start()
    deadline = time.monotonic() + 60
    while not (project / "begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_by_its_record_and_it_has_ended_when_that_is_said(project: Path) -> None:
    with running(project) as server:
        done = fluxlit("shutdown", directory=project)
        assert done.returncode == 0
        assert f"Process {server.process.pid} has ended after " in done.stdout
        assert server.process.wait(10) == 0, "an orderly end"
        says(fluxlit("shutdown", directory=project), 2, "No FluxLit server of this project runs.")


def test_by_its_pid_file_from_anywhere(project: Path, tmp_path: Path) -> None:
    pidfile = project / "server.pid"
    other = tmp_path / "other"
    other.mkdir()
    with running(project, pidfile=str(pidfile)) as server:
        done = fluxlit("shutdown", "--pidfile", str(pidfile), directory=other)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"Process {server.process.pid} has ended" in done.stdout
        assert server.process.wait(10) == 0
    assert not pidfile.exists()
    says(fluxlit("shutdown", "--pidfile", str(pidfile), directory=other), 2, "There is no pid file", str(pidfile))


def test_the_settings_name_the_pid_file_and_one_left_behind_is_said_and_removed(project: Path) -> None:
    (project / "fluxlit.toml").write_text('pidfile = "server.pid"\n')
    with running(project) as server:
        server.process.kill()
        server.process.wait()
        assert (project / "server.pid").exists()
        done = fluxlit("shutdown", directory=project)
        assert done.returncode == 0
        assert f"names process {server.process.pid}, but no server locks it: it is stale" in done.stdout
        assert not (project / "server.pid").exists()


def test_an_attack_a_number_that_is_another_process_s_by_now_is_left_alone(project: Path) -> None:
    """A pid file or record alone proves nothing.

    The process must hold the lock, or have started at the recorded time.
    """
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        (project / "server.pid").write_text(f"{bystander.pid}\n")
        done = fluxlit("shutdown", "--pidfile", "server.pid", "--force", directory=project)
        assert done.returncode == 0
        assert "it is stale" in done.stdout
        with running(project) as server:
            pid = f'"pid": {server.process.pid}'
            records = base_directory().glob("fluxlit-*/server.json")
            record = next(path for path in records if pid in path.read_text())
            record.write_text(record.read_text().replace(pid, f'"pid": {bystander.pid}'))
            says(fluxlit("shutdown", "--force", directory=project), 2, "No FluxLit server")
            says(fluxlit("shutdown", "--pid", str(bystander.pid), directory=project), 2, "is not a FluxLit server")
            assert alive(server)
        assert bystander.poll() is None
    finally:
        bystander.communicate(b"\n", timeout=60)


def test_a_server_that_takes_longer_still_runs_and_force_kills_it(project: Path) -> None:
    with running(project) as server:
        ask_slowly(server, project, 60)
        patient = fluxlit("shutdown", "--wait", "0.5", directory=project)
        says(patient, 1, f"Process {server.process.pid} still runs", "--wait", "--force")
        assert alive(server)
        forced = fluxlit("shutdown", "--wait", "0.2", "--force", directory=project)
        assert forced.returncode == 0
        assert "has been killed" in forced.stdout
        assert server.process.wait(10) == -signal.SIGKILL


def test_without_waiting_nothing_is_said_about_the_end(project: Path) -> None:
    with running(project) as server:
        ask_slowly(server, project, 1)
        done = fluxlit("shutdown", "--wait", "0", directory=project)
        assert done.returncode == 0
        assert "has received SIGTERM; whether it has ended is unknown" in done.stdout
        assert server.process.wait(60) == 0


def test_of_several_servers_none_is_chosen(project: Path) -> None:
    with running(project) as first, running(project) as second:
        pids = {first.process.pid, second.process.pid}
        says(fluxlit("shutdown", directory=project), 2, "Several servers", *map(str, pids))
        assert alive(first)
        assert alive(second)
        assert fluxlit("shutdown", "--pid", str(first.process.pid), directory=project).returncode == 0
        assert not alive(first)
        assert alive(second)
        assert fluxlit("shutdown", directory=project).returncode == 0
        assert not alive(second)


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can become another user")
def test_another_user_s_server_is_not_stopped_and_that_is_said(project: Path) -> None:
    with TemporaryDirectory() as folder, running(project, pidfile=f"{folder}/server.pid") as server:
        Path(folder).chmod(0o755)  # pytest's own folders are closed to others
        program = (
            "import encodings.ascii, os, sys\n"
            "from fluxlit_cli.main import main, run\n"
            # Loads everything: it may be readable for root alone.
            "run(['shutdown', '--pidfile', 'none']); run(['shutdown', '--pid', '1'])\n"
            "os.setgid(65534); os.setuid(65534)\n"
            "main(['shutdown', '--pidfile', sys.argv[1]])"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, f"{folder}/server.pid"],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 1, done.stderr
        assert "belongs to another user" in done.stderr
        assert alive(server)
