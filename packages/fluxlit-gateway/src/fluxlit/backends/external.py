"""The UI on a Streamlit server that FluxLit does not run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable
from pathlib import Path

from fluxlit._internal.asgi import Receive, Scope, Send
from fluxlit.backends.backend import NO_WORKERS, STOP_S, Readiness, WorkerStatus, health_path, proxy_limits
from fluxlit.errors import WorkerError
from fluxlit.observability.metrics import Samples
from fluxlit.proxy import Address, ReverseProxy, Upstream, UpstreamError
from fluxlit.proxy.upstream_address import tls_context
from fluxlit.settings import Settings

logger = logging.getLogger("fluxlit.ui")

PROBE_INTERVAL_S = 1.0
PROBE_S = 2.0


def _load_authorities(ca_file: str) -> None:
    """Read the authorities before anything is served.

    Raises:
        WorkerError: the file is missing or has no certificate.
    """
    try:
        tls_context(ca_file)
    except OSError as error:
        raise WorkerError(
            f"streamlit_upstream_ca_file {ca_file} cannot be used: {error.strerror or error}. It has to be a PEM file "
            f"with the certificate of the authority."
        ) from None


class ExternalBackend:
    """Proxies to `streamlit_upstream`.

    The gateway starts whether or not that server answers: the two may be deployed in any order. A probe in the
    background keeps readiness up to date; requests are relayed in any case, for the probe may be a second behind.
    The server must run with ``server.baseUrlPath`` equal to `root_path`.
    """

    def __init__(self, settings: Settings) -> None:
        assert settings.streamlit_upstream is not None
        self._health = health_path(settings)
        address = Address.parse(
            settings.streamlit_upstream,
            ca_file=settings.streamlit_upstream_ca_file or "",
            server_name=settings.streamlit_upstream_server_name or "",
        )
        if address.tls:
            _load_authorities(address.ca_file)
        self._upstream = Upstream(address, limits=proxy_limits(settings))
        self._proxy = ReverseProxy(self._upstream, via=settings.gateway_via)
        self._readiness = Readiness(False, f"{self._upstream.address} has not been asked yet")
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Ask once, then keep asking."""
        await self._look()
        self._watching = asyncio.create_task(self._watch())

    async def stop(self, timeout_s: float = STOP_S) -> None:
        """See `Backend.stop`."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        async with asyncio.timeout(timeout_s):
            await self._upstream.close()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Relay."""
        return self._proxy(scope, receive, send)

    def readiness(self) -> Readiness:
        """What the last probe saw."""
        return self._readiness

    def workers(self) -> tuple[WorkerStatus, ...]:
        """None of ours."""
        return ()

    async def measure(self) -> Samples:
        """See `Backend.measure`."""
        readings = self._upstream.meter.read("external")
        readings.add("fluxlit_upstream_requests_active", self._upstream.active, "external")
        return readings

    async def roll(self) -> str:
        """There is nothing to replace."""
        return NO_WORKERS

    async def reload(self, changed: frozenset[Path]) -> str:
        """Refused: the code runs elsewhere."""
        raise WorkerError(
            f"The pages run in {self._upstream.address}, which FluxLit cannot reload ({len(changed)} files)."
        )

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(PROBE_INTERVAL_S)
            await self._look()

    async def _look(self) -> None:
        try:
            status = await self._upstream.probe(self._health, within=PROBE_S)
            detail = "" if status == 200 else f"{self._upstream.address}{self._health} answers {status}"
        except UpstreamError as error:
            detail = str(error)
        now = Readiness(not detail, detail or f"{self._upstream.address} is ready")
        if now != self._readiness:
            logger.log(logging.INFO if now.ready else logging.WARNING, "External UI: %s.", now.detail)
        self._readiness = now
