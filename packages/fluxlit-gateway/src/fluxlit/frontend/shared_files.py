"""Front-end files in the session store, for gateways of other releases.

While replicas with two releases of Streamlit are behind one load balancer, a browser gets its page from one and asks
the other for the files of that page. So each gateway puts its files into the shared store before it is ready, and looks
there for a file that it does not have.

Gateways alone write, and only with `secret_key`: the store then encrypts and authenticates, so a writer without the key
cannot choose what browsers run. A file is read only if the list of a release names it, and the list is read at most
every `LOOK_S`: requests for names that do not exist cost the store nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import brotli

from fluxlit._internal.cancellation import cancel
from fluxlit.frontend.files import IMMUTABLE, Asset, media_type
from fluxlit.frontend.variants import Variants
from fluxlit.sessions import is_shared, open_store
from fluxlit.settings import Settings

logger = logging.getLogger("fluxlit.assets")

ROOM = "front-end"
PURPOSE = "file of the front end"
LIST = "list of releases"

KEEP_S = 7 * 86400.0
"""How long the files of a release stay after its last gateway has renewed them."""

RENEW_S = 86400.0
RETRY_S = 60.0
PATIENCE_S = 10.0
"""How long the start waits for the files to be in the store."""

LOOK_S = 1.0
AT_ONCE, QUALITY = 8, 4
MOST_RELEASES = 4
LARGEST = 8 << 20
MEMORY = 8 << 20
ATTEMPTS = 5


class SharedFiles:
    """Puts the files of this release into a store, and finds those of others.

    Args:
        store: a session store for nothing else.
        version: of Streamlit here.
        assets: the files of this release with a hash in their names.
        variants: makes their compressed variants.
    """

    def __init__(self, store: Any, version: str, assets: Sequence[Asset], variants: Variants) -> None:
        self._store = store
        self._version = version
        self._own = assets
        self._variants = variants
        self._list = store.derive_id(PURPOSE, LIST)
        self._names: frozenset[str] = frozenset()
        self._looking: asyncio.Task[None] | None = None
        self._looked = -LOOK_S
        self._found: OrderedDict[str, Asset] = OrderedDict()
        self._published = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Publish, and renew what is published; the store is closed at the end."""
        task = asyncio.create_task(self._keep_published())
        try:
            yield
        finally:
            await cancel([task, *([self._looking] if self._looking else [])])
            await self._store.aclose()

    async def wait(self) -> None:
        """Wait until the files are in the store, or `PATIENCE_S`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._published.wait(), PATIENCE_S)

    async def find(self, path: str) -> Asset | None:
        """The file of another release, `None` if there is none.

        Args:
            path: below the public mount; nothing is assumed about it.
        """
        if (kept := self._found.get(path)) is not None:
            self._found.move_to_end(path)
            return kept
        try:
            if path not in self._names:
                await self._look()
            stored = await self._store.aread(self._id(path)) if path in self._names else None
        except Exception as error:  # noqa: BLE001 - another package's: the store is away, or cannot be read
            logger.warning("A front-end file of another release cannot be looked for: %s", error)
            return None
        return None if stored is None else self._keep(path, stored.data)

    def _keep(self, path: str, data: dict[str, Any]) -> Asset:
        kind = media_type(Path(path))
        asset = self._found[path] = Asset(path, Path(path), kind, data["tag"], IMMUTABLE, data["brotli"])
        while len(self._found) > 1 and sum(len(each.packed) for each in self._found.values()) > MEMORY:
            self._found.popitem(last=False)
        return asset

    async def _look(self) -> None:
        """Read the list of all releases; requests at the same time share it."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._read_names())
        await asyncio.shield(self._looking)

    async def _read_names(self) -> None:
        # Not refused until then: a release that has become ready since is in no list from before.
        await asyncio.sleep(self._looked + LOOK_S - time.monotonic())
        self._looked = time.monotonic()
        releases = await self._releases()
        self._names = frozenset(name for release in releases.values() for name in release["files"])

    async def _releases(self) -> dict[str, Any]:
        stored = await self._store.aread(self._list)
        return {} if stored is None else dict(stored.data["releases"])

    async def _keep_published(self) -> None:
        while True:
            try:
                await self.publish()
            except Exception as error:  # noqa: BLE001 - another package's
                logger.warning(
                    "The files of Streamlit's front end cannot be put into the session store: %s. Pages may lack files "
                    "while replicas run two releases of Streamlit. Next try in %g s.",
                    error,
                    RETRY_S,
                )
                pause = RETRY_S
            else:
                pause = RENEW_S
            self._published.set()
            await asyncio.sleep(pause)

    async def publish(self) -> None:
        """Put the files into the store, unless that was done lately.

        Raises:
            Exception: the store's.
        """
        release = (await self._releases()).get(self._version)
        if release is not None and time.time() - release["at"] < RENEW_S:
            return
        begun = time.monotonic()
        files = iter(self._own)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(self._publish_all(files))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        await self._publish_list()
        logger.debug("%d front-end files are in the store after %.1f s.", len(self._own), time.monotonic() - begun)

    async def _publish_all(self, files: Iterator[Asset]) -> None:
        for asset in files:
            await self._publish(asset)

    async def _publish(self, asset: Asset) -> None:
        name = self._id(asset.path)
        if await self._store.aread(name, touch=True) is not None:
            return
        packed = await asyncio.to_thread(self._pack, asset)
        try:
            await self._store.acreate({"tag": asset.tag, "brotli": packed}, session_id=name)
        except Exception:
            if await self._store.aread(name) is None:  # else another gateway was faster
                raise

    def _pack(self, asset: Asset) -> bytes:
        # The start waits for this. The variants that visitors get here are made when they are asked for.
        made = self._variants.made(asset, "br") if asset.compressible else None
        return brotli.compress(asset.read(), quality=QUALITY) if made is None else made.body

    async def _publish_list(self) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            stored = await self._store.aread(self._list)
            releases = {} if stored is None else dict(stored.data["releases"])
            releases[self._version] = {"at": time.time(), "files": [asset.path for asset in self._own]}
            newest = sorted(releases, key=lambda version: releases[version]["at"])[-MOST_RELEASES:]
            data = {"releases": {version: releases[version] for version in newest}}
            try:
                if stored is None:
                    await self._store.acreate(data, session_id=self._list)
                else:
                    await self._store.asave(stored, data)
            except Exception:
                if attempt == ATTEMPTS:  # until then another gateway may have been faster
                    raise
            else:
                return

    def _id(self, path: str) -> str:
        name: str = self._store.derive_id(PURPOSE, path)
        return name


def store_of(settings: Settings) -> Any:
    """The store for these files; `None` without a shared one and a key.

    Raises:
        FluxLitError: it cannot be opened.
    """
    if not (settings.secret_key and is_shared(settings.session_store)):
        return None
    return open_store(
        settings,
        room=ROOM,
        idle_ttl=KEEP_S,
        absolute_ttl=3650 * 86400.0,
        touch_interval=3600.0,
        max_bytes=LARGEST,
    )
