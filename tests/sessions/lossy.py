"""A relay before Redis that counts round trips and loses responses."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path


class LossyRelay:
    """Relays bytes between clients and a server, on its own UNIX socket.

    Attributes:
        exchanges: responses of the server, lost ones included.
        lose: so many next responses are dropped and their connections cut, after the server has done the work.
        on_loss: called before the connection is cut.
    """

    def __init__(self, path: Path, server: Path) -> None:
        self.url = f"unix://{path}"
        self.exchanges = self.lose = 0
        self.on_loss: Callable[[], object] = lambda: None
        self._server, self._lock = server, threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()

    def serve(self) -> None:
        """Accept clients until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                upstream = socket.socket(socket.AF_UNIX)
                upstream.connect(str(self._server))
                self._open += [client, upstream]
                for work in ((self._requests, client, upstream), (self._answers, upstream, client)):
                    self._spawn(*work)

    def _spawn(self, function: object, *args: socket.socket) -> None:
        thread = threading.Thread(target=function, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _requests(self, client: socket.socket, upstream: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 20):
                upstream.sendall(data)
        _cut(client, upstream)

    def _answers(self, upstream: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := upstream.recv(1 << 20):
                with self._lock:
                    self.exchanges += 1
                    lost = self.lose > 0
                    self.lose -= lost
                if lost:
                    self.on_loss()
                    break
                client.sendall(data)
        _cut(client, upstream)

    def close(self) -> None:
        """Cut everything."""
        _cut(self._listener, *self._open)
        for thread in self._threads:
            thread.join(60)
        for item in (self._listener, *self._open):
            item.close()


def _cut(*sockets: socket.socket) -> None:
    for item in sockets:
        with contextlib.suppress(OSError):
            item.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def lossy(path: Path, server: Path) -> Iterator[LossyRelay]:
    """Run a relay."""
    relay = LossyRelay(path, server)
    thread = threading.Thread(target=relay.serve, daemon=True)
    thread.start()
    try:
        yield relay
    finally:
        relay.close()
        thread.join(60)
