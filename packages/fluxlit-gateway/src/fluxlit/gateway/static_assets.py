"""Streamlit's front end, served from where it is installed, compressed.

Streamlit sends its 23 MB of JavaScript uncompressed and takes a thread for each file, in the process that also runs
the pages. Here a file is compressed when it is first asked for, and kept: in memory up to a bound, and on disk by
Streamlit version, so that the next process has it at once. `fluxlit.frontend` has the variants; what is not prepared
yet goes out as a quick one, and `BackgroundCompression` sees to it that later visitors get the best.

A browser may ask for a file of another release: its page came from another replica, or Streamlit was upgraded under a
running gateway. Such a file is looked for where Streamlit is installed, then in the session store
(`fluxlit.frontend.shared_files`). A name that is nowhere is 404. Streamlit answers its page instead, with 200: a
browser would take that for the missing chunk.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from fluxlit._internal.asgi import Receive, Scope, Send
from fluxlit._internal.responses import reply_text
from fluxlit.frontend import ENCODINGS, Asset, Cache, Files, SharedFiles, Variants, chosen, matches
from fluxlit.frontend.background_compression import BackgroundCompression
from fluxlit.frontend.variants import Variant

RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)\Z")
HASHED_PATH = re.compile(r"/static/[a-z]{1,32}/[A-Za-z0-9_.-]{1,200}\.[A-Za-z0-9_-]{8}\.[a-z0-9]{1,8}\Z")
"""The path of a file with a hash in its name: in a folder below `static`, and in no other."""

DIGITS = 18
"""Digits of a position in a file; `int` itself refuses thousands of them."""
MEMORY = 12 * 1024 * 1024


class Assets:
    """ASGI application that serves the front end's files.

    Args:
        files: the front end.
        cache: where compressed variants are kept; without a writable folder they stay in memory.
    """

    def __init__(self, files: Files, cache: Cache) -> None:
        self._files = files
        self._assets = files.assets()
        self._variants = Variants(cache)
        self._shared: SharedFiles | None = None
        self._improvement = BackgroundCompression(self._forget) if cache.writable else None
        self._kept: OrderedDict[tuple[str, str], Variant] = OrderedDict()
        self._size = 0
        self._making: dict[tuple[str, str], asyncio.Task[Variant]] = {}

    @classmethod
    def of_streamlit(cls) -> Assets | None:
        """Serves the installed Streamlit, which is not imported."""
        files = Files.of_streamlit()
        return cls(files, Cache.of(files.version)) if files else None

    def share(self, store: Any) -> SharedFiles:
        """Share the files with gateways of other releases, through a store.

        The caller runs what is returned.
        """
        own = [asset for asset in self._assets.values() if asset.hashed]
        self._shared = SharedFiles(store, self._files.version, own, self._variants)
        return self._shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request; its path is the one below the public mount."""
        del receive
        if scope["method"] not in ("GET", "HEAD"):
            await reply_text(scope, send, 405, "Method not allowed.", [(b"allow", b"GET, HEAD")])
            return
        fields = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if (found := await self._find(scope["path"], fields)) is None:
            await reply_text(scope, send, 404, "There is nothing at this address.")
        else:
            await self._serve(*found, fields, scope, send)

    async def _find(self, path: str, fields: Mapping[bytes, str]) -> tuple[Asset, str, Variant] | None:
        """The file of a path, the Content-Encoding, and what to send."""
        asset, hashed = self._assets.get(path), HASHED_PATH.match(path)
        if asset is None and hashed and (asset := self._files.newer(path)) is not None:
            self._assets[path] = asset
        if asset is not None:
            with contextlib.suppress(FileNotFoundError):  # of a Streamlit that was upgraded meanwhile
                return await self._negotiate(asset, fields)
        if hashed and self._shared is not None and (asset := await self._shared.find(path)) is not None:
            return await self._negotiate(asset, fields)
        return None

    async def _negotiate(self, asset: Asset, fields: Mapping[bytes, str]) -> tuple[Asset, str, Variant]:
        encoding = "" if b"range" in fields or not asset.compressible else chosen(fields.get(b"accept-encoding", ""))
        return asset, encoding, await self._variant(asset, encoding)

    async def _serve(
        self, asset: Asset, encoding: str, variant: Variant, fields: Mapping[bytes, str], scope: Scope, send: Send
    ) -> None:
        # Each variant is a representation of its own, with a tag of its own (RFC 9110 section 8.8.3).
        tag = f'"{asset.tag}{variant.level and "-" + variant.level}"'
        headers = [(b"etag", tag.encode()), (b"cache-control", asset.cache_control)]
        if not encoding:
            headers.append((b"accept-ranges", b"bytes"))
        if asset.compressible:
            headers.append((b"vary", b"accept-encoding"))
        if matches(fields.get(b"if-none-match", ""), tag):
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        fresh = fields.get(b"if-range", tag) == tag
        status, body = sliced(variant.body, fields.get(b"range", ""), fresh, headers)
        if encoding:
            headers.append((b"content-encoding", encoding.encode()))
        headers += [(b"content-type", asset.content_type), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _variant(self, asset: Asset, encoding: str) -> Variant:
        key = (asset.path, encoding)
        if (kept := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return kept
        task = self._making.get(key)
        if task is None:
            making = asyncio.to_thread(self._variants.at_once, asset, encoding)
            task = self._making[key] = asyncio.create_task(making)
            task.add_done_callback(lambda done: self._keep(key, done))
        return await asyncio.shield(task)

    def _keep(self, key: tuple[str, str], task: asyncio.Task[Variant]) -> None:
        del self._making[key]
        if task.cancelled() or task.exception() is not None:
            return
        path, encoding = key
        variant = self._kept[key] = task.result()
        self._size += len(variant.body)
        while self._size > MEMORY:
            self._size -= len(self._kept.popitem(last=False)[1].body)
        if self._improvement is not None and encoding and variant.level != ENCODINGS[encoding].best:
            self._improvement.want(path)

    def _forget(self, paths: Sequence[str]) -> None:
        """Look at the cache anew for some files."""
        for key in [(path, encoding) for path in paths for encoding in ENCODINGS]:
            if (found := self._kept.pop(key, None)) is not None:
                self._size -= len(found.body)


def sliced(body: bytes, asked: str, fresh: bool, headers: list[tuple[bytes, bytes]]) -> tuple[int, bytes]:  # noqa: FBT001
    """Apply a Range (RFC 9110 section 14); several ranges give the whole file.

    Args:
        body: the whole.
        asked: value of Range.
        fresh: If-Range holds, or there is none.
        headers: completed as needed.

    Returns:
        The status and what to send.
    """
    found = RANGE.match(asked.strip()) if asked and fresh else None
    if found is None or found.group(1) == found.group(2) == "":
        return 200, body
    first, last = found.groups()
    begin = position(first) if first else max(0, len(body) - position(last))
    end = min(position(last), len(body) - 1) if first and last else len(body) - 1
    if begin > end:
        headers.append((b"content-range", f"bytes */{len(body)}".encode()))
        return 416, b""
    headers.append((b"content-range", f"bytes {begin}-{end}/{len(body)}".encode()))
    return 206, body[begin : end + 1]


def position(digits: str) -> int:
    """A number of bytes, at most one that is larger than any file."""
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= DIGITS else 10**DIGITS
