"""Several server processes on one socket, started in any way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import sys
from fluxlit.server.multiworker import sharing_siblings
sys.stdin.readline()
print(len(sharing_siblings()))
sys.stdin.readline()
"""


def started(directory: Path, kind: str, sockets: list[int]) -> list[int]:
    """What children find that inherit a socket, as from gunicorn or granian.

    Args:
        directory: for sockets with a path.
        kind: of the sockets.
        sockets: for each child, the number of its socket.
    """
    program = f"""
import socket, subprocess, sys
family = socket.AF_UNIX if {kind!r} == "unix" else socket.AF_INET
own = [socket.socket(family) for _ in range(2)]
for number, each in enumerate(own):
    each.bind(f"{{number}}.sock" if {kind!r} == "unix" else ("127.0.0.1", 0))
    if {kind!r} != "bound":
        each.listen()
other = socket.socketpair()[0]
pipe = subprocess.PIPE
children = [
    subprocess.Popen(
        [sys.executable, "-c", {CHILD!r}],
        pass_fds=[own[number].fileno(), other.fileno()], stdin=pipe, stdout=pipe, text=True
    )
    for number in {sockets!r}
]
for child in children:
    print("go", file=child.stdin, flush=True)
    print(child.stdout.readline().strip())
for child in children:
    child.communicate("end")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=directory, capture_output=True, text=True, timeout=60, check=True
    )
    return [int(line) for line in done.stdout.split()]


@pytest.mark.parametrize("kind", ["listening", "bound", "unix"])
def test_siblings_on_one_socket_are_found(kind: str, tmp_path: Path) -> None:
    """hypercorn binds before its processes start and listens in them."""
    assert started(tmp_path, kind, [0, 0]) == [1, 1]


def test_servers_on_sockets_of_their_own_are_left_alone(tmp_path: Path) -> None:
    """Two servers that a script starts beside each other.

    Both have a connected socket, such as a log.
    """
    assert started(tmp_path, "listening", [0, 1]) == [0, 0]
