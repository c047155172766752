"""Listening sockets: a port, a UNIX socket, or an inherited descriptor.

All are bound before anything else is started, so that an address that is taken costs no worker's start.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from fluxlit.errors import AddressInUseError, FluxLitError

# sd_listen_fds(3): passed descriptors begin here.
FIRST_PASSED = 3
# Connections that wait to be accepted, as in uvicorn and gunicorn. The system's own limit is net.core.somaxconn.
BACKLOG = 2_048
# sun_path holds 108 bytes on Linux with its final zero (unix(7)).
MAX_PATH = 107


@dataclass(frozen=True)
class Listener:
    """One socket that listens.

    Attributes:
        socket: the socket.
        owned: file that was made for it, and is removed with it.
        host: the host name that was asked for; empty for an address.
    """

    socket: socket.socket
    owned: Path | None = None
    host: str = ""

    @property
    def path(self) -> str:
        """Where a UNIX socket stands; empty for any other."""
        name = self.socket.getsockname()
        return name if isinstance(name, str) else ""

    def origin(self, *, tls: bool) -> str:
        """Its URL: ``https://127.0.0.1:8000``, or ``unix:/run/app.sock``."""
        if self.socket.family == socket.AF_UNIX:
            return f"unix:{self.path}"
        host, port = self.socket.getsockname()[:2]
        if self.host:
            return _origin(self.host, port, tls=tls)
        return _origin({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port, tls=tls)  # noqa: S104  # compared only

    def reach(self, *, tls: bool) -> str:
        """Its URL for other machines if it listens on all addresses; else empty."""
        if self.socket.family == socket.AF_UNIX:
            return ""
        host, port = self.socket.getsockname()[:2]
        outside = _ELSEWHERE.get(host)
        address = outside and own_address(outside)
        return _origin(address, port, tls=tls) if address else ""

    def close(self) -> None:
        """Stop listening. The file goes only if it is still this socket's."""
        self.socket.close()
        if self.owned is not None:
            remove_own(self.owned)


# Addresses that documentation has for itself (RFC 5737, RFC 3849): the way there is the way to other machines.
_ELSEWHERE = {"0.0.0.0": "192.0.2.1", "::": "2001:db8::1"}  # noqa: S104  # compared only


def own_address(other: str) -> str:
    """This machine's address on the route to another, or an empty string.

    Nothing is sent.

    Args:
        other: IP address of the other machine.
    """
    family = socket.AF_INET6 if ":" in other else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect((other, 9))
        return str(probe.getsockname()[0])
    return ""


def _origin(host: str, port: int, *, tls: bool) -> str:
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def bind_port(host: str, port: int) -> Listener:
    """Listen on a port of an address.

    Raises:
        AddressInUseError: another process listens there.
        FluxLitError: the address is none of this machine, or not allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise FluxLitError(f"Host {host!r} cannot be listened on: {error.strerror or error}.") from None
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # Two sockets may be bound to a port that neither listens on; listening finds out. What connects from now on
        # waits in the backlog until uvicorn accepts.
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUseError(host, port) from None
        raise FluxLitError(f"Address {host}:{port} cannot be listened on: {error.strerror or error}.") from None
    return Listener(listener, host=host if _is_name(host) else "")


@contextlib.contextmanager
def reserved_port(host: str = "127.0.0.1") -> Iterator[int]:
    """Yield a free port for a server that starts inside the block.

    It must listen with `SO_REUSEADDR`, as nearly all do.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((host, 0))
        port: int = holder.getsockname()[1]
        # Linux lets the server bind a port that is bound and not listened on, and gives it to no program that asks for
        # any port. Elsewhere the server could not bind it.
        if sys.platform != "linux":
            holder.close()
        yield port


def _is_name(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(host)
    return False


def bind_file(path: Path, mode: int) -> Listener:
    """Listen on a UNIX socket; a stale socket file is replaced.

    Args:
        path: where the socket's file is made.
        mode: who may connect, as permissions of a file.

    Raises:
        AddressInUseError: another process listens there.
        FluxLitError: no socket can be made there.
    """
    path = path.absolute()
    if len(os.fsencode(path)) > MAX_PATH:
        raise FluxLitError(f"Socket {path} cannot be made: its path is longer than {MAX_PATH} bytes (unix(7)).")
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o777 & ~mode)
    try:
        remove_stale(path)
        listener.bind(str(path))
        path.chmod(mode)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise FluxLitError(f"Socket {path} cannot be made: {error.strerror or error}.") from None
    except FluxLitError:
        listener.close()
        raise
    finally:
        os.umask(before)
    return Listener(listener, path)


def remove_stale(path: Path) -> None:
    """Remove a stale socket file.

    Raises:
        AddressInUseError: a process listens on it.
        FluxLitError: the file is no socket.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FluxLitError(f"Socket {path} cannot be made: there is a file of that name which is no socket.")
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.settimeout(1)
        try:
            visitor.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
        except OSError:  # a full backlog: a process listens
            raise AddressInUseError(str(path)) from None
        else:
            raise AddressInUseError(str(path))


def remove_own(path: Path) -> None:
    """Remove a closed socket's file, unless a successor listens on it."""
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.setblocking(False)
        try:
            visitor.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError:
            return


def adopt(number: int) -> Listener:
    """Use a listening socket that the parent process passed on.

    Args:
        number: its file descriptor.

    Raises:
        FluxLitError: it is none.
    """
    try:
        passed = socket.socket(fileno=number)
        passed.set_inheritable(False)
        listens = bool(passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError as error:
        raise FluxLitError(
            f"File descriptor {number} cannot be listened on: {error.strerror or error}. The process that starts "
            f"FluxLit must open a socket, let it listen, and leave it open under that number."
        ) from None
    if passed.type != socket.SOCK_STREAM or not listens:
        passed.close()
        raise FluxLitError(f"File descriptor {number} is a socket, but not one that listens for connections.")
    return Listener(passed)


def passed_by_systemd(environ: MutableMapping[str, str]) -> list[Listener]:
    """The sockets of socket activation, if any (sd_listen_fds(3)).

    The variables are taken away, as they are meant for this process and not for its children.

    Raises:
        FluxLitError: what was passed is no listening socket.
    """
    numbers = passed_numbers(environ)
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environ.pop(name, None)
    return [adopt(number) for number in numbers]


def passed_numbers(environ: Mapping[str, str]) -> Iterable[int]:
    """The descriptors that systemd passed to this very process."""
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID", "") != str(os.getpid()) or not count.isdigit():
        return ()
    return range(FIRST_PASSED, FIRST_PASSED + int(count))
