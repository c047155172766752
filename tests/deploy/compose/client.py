"""Docker's own Compose client, which reads a file without an engine.

It is a program without libraries, so it also runs on the release before. apt fetches it once, with lists of its own,
into `.tools/`, and checks its signature.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.debian import mirror
from tests.support.kept import kept
from tests.support.processes import clean_environ

_SOURCE = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {} trixie main\n"


def client() -> Path:
    """The program, fetched on first use."""
    return kept("compose-client", _fetch) / "docker-compose"


def config(folder: Path, *options: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Let Compose read the file of a folder, and print what it makes of it."""
    command = [str(client()), *options, "config"]
    environ = clean_environ(**environ)
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False)


def _fetch(folder: Path) -> None:
    room = folder / "part"
    for each in ("lists/partial", "cache/archives/partial"):
        (room / each).mkdir(parents=True)
    (room / "sources.list").write_text(_SOURCE.format(mirror()))
    (room / "status").touch()
    places = {
        "Dir::Etc::sourcelist": room / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": room / "lists",
        "Dir::State::status": room / "status",
        "Dir::Cache": room / "cache",
        "APT::Sandbox::User": "",
    }
    options = [part for name, value in places.items() for part in ("-o", f"{name}={value}")]
    _run("apt-get", *options, "--quiet", "update", cwd=room)
    _run("apt-get", *options, "--quiet", "download", "docker-compose", cwd=room)
    [package] = room.glob("*.deb")
    _run("dpkg", "--extract", str(package), str(room / "files"), cwd=room)
    (room / "files/usr/libexec/docker/cli-plugins/docker-compose").rename(folder / "docker-compose")
    shutil.rmtree(room)


def _run(*command: str, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
