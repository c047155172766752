"""Sockets to listen on.

Made, found or inherited; and what is said when that cannot be.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
from pathlib import Path

import pytest

from fluxlit.errors import AddressInUseError, FluxLitError
from fluxlit.server.sockets.listeners import BACKLOG, adopt, bind_file, bind_port, passed_by_systemd, reserved_port


def test_a_port_that_the_system_chooses() -> None:
    listener = bind_port("127.0.0.1", 0)
    try:
        port = listener.socket.getsockname()[1]
        assert listener.origin(tls=False) == f"http://127.0.0.1:{port}"
        assert listener.origin(tls=True) == f"https://127.0.0.1:{port}"
        # Of a listening socket Linux reports the backlog here: `tcpi_sacked`.
        facts = listener.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        most = int(Path("/proc/sys/net/core/somaxconn").read_text("ascii"))
        assert struct.unpack_from("=I", facts, 28) == (min(BACKLOG, most),)
        with pytest.raises(AddressInUseError, match=f"127.0.0.1:{port} is already in use"):
            bind_port("127.0.0.1", port)
    finally:
        listener.close()


def test_a_reserved_port_is_free_for_the_server_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with reserved_port() as port, socket.socket() as other:
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        listener = bind_port("127.0.0.1", port)
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
        listener.close()
    monkeypatch.setattr(sys, "platform", "darwin")
    with reserved_port() as port, socket.create_server(("127.0.0.1", port)):
        pass


def test_a_unix_socket_has_the_mode_that_was_asked_for_and_goes_with_its_listener(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    before = os.umask(0o077)
    try:
        listener = bind_file(path, 0o664)
    finally:
        os.umask(before)
    assert (stat.S_IMODE(path.stat().st_mode), listener.origin(tls=True)) == (0o664, f"unix:{path}")
    with pytest.raises(AddressInUseError, match=r"app.sock is already in use.*--uds"):
        bind_file(path, 0o664)
    listener.close()
    assert not path.exists()


def test_a_unix_socket_that_was_left_behind_is_replaced_and_a_successors_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    first = bind_file(path, 0o600)
    path.unlink()
    second = bind_file(path, 0o600)
    first.close()
    assert path.exists()
    second.close()


def test_a_file_that_is_no_socket_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "app.sock").write_text("precious")
    with pytest.raises(FluxLitError, match="which is no socket"):
        bind_file(tmp_path / "app.sock", 0o600)
    assert (tmp_path / "app.sock").read_text() == "precious"


@pytest.mark.parametrize(("path", "message"), [("nowhere/app.sock", "No such file"), ("x" * 120, "longer than 107")])
def test_a_place_where_no_socket_can_be(path: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(FluxLitError, match=message):
        bind_file(tmp_path / path, 0o600)


def test_descriptors_that_cannot_be_listened_on(tmp_path: Path) -> None:
    with pytest.raises(FluxLitError, match="File descriptor 987 cannot be listened on: Bad file descriptor"):
        adopt(987)
    with (tmp_path / "file").open("w") as file, pytest.raises(FluxLitError, match="must open a socket"):
        adopt(os.dup(file.fileno()))
    deaf = socket.socket()
    with pytest.raises(FluxLitError, match="not one that listens"):
        adopt(deaf.detach())


def test_sockets_are_taken_from_systemd_only_if_they_are_meant_for_this_process() -> None:
    foreign = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "http"}
    assert passed_by_systemd(foreign) == []
    assert foreign == {}
    assert passed_by_systemd({}) == []
