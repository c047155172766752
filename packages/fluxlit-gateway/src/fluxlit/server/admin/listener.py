"""Listeners of the admin application: a private socket, and the settings'."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from fluxlit._internal.asgi import Application
from fluxlit.errors import AddressInUseError, FluxLitError
from fluxlit.server.sockets.internal_server import PrivateServer
from fluxlit.server.sockets.listeners import Listener, bind_file, bind_port
from fluxlit.settings import Settings

logger = logging.getLogger("fluxlit")

OWNER_ONLY = 0o600


class AdminServer:
    """Serves the admin application.

    Args:
        application: what to serve.
        settings: say where, beside the private socket.
        private: file of the private socket.
    """

    def __init__(self, application: Application, settings: Settings, private: Path) -> None:
        self._application = application
        self._settings = settings
        self._private = private

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[str, ...]]:
        """Serve inside the block; yields the addresses, the private one first.

        Raises:
            FluxLitError: a listener cannot be opened.
        """
        with contextlib.ExitStack() as stack:
            listeners = [bind_file(self._private, OWNER_ONLY)]
            stack.callback(listeners[0].close)
            for each in self._wanted():
                listeners.append(each)
                stack.callback(each.close)
            addresses = tuple(each.origin(tls=False) for each in listeners)
            for address in addresses[1:]:
                logger.info("Admin listener: %s (/metrics, /status).", address)
            server = PrivateServer(self._application, listeners)
            await server.start()
            try:
                yield addresses
            finally:
                await server.stop()

    def _wanted(self) -> list[Listener]:
        settings = self._settings
        found = []
        try:
            if settings.admin_uds is not None:
                found.append(bind_file(Path(settings.admin_uds), int(settings.admin_uds_mode, 8)))
            if settings.admin_port is not None:
                found.append(bind_port(settings.admin_host, settings.admin_port))
        except FluxLitError as error:
            for each in found:
                each.close()
            raise _named(error) from None
        return found


def _named(error: FluxLitError) -> FluxLitError:
    """The error, naming the settings of this listener."""
    if not isinstance(error, AddressInUseError):
        return FluxLitError(f"The admin listener: {error}")
    where = error.host if error.port is None else f"{error.host}:{error.port}"
    setting = "admin_uds" if error.port is None else "admin_port"
    return FluxLitError(
        f"The admin listener's address {where} is already in use. Stop the program that listens there, or choose "
        f"another with {setting}."
    )
