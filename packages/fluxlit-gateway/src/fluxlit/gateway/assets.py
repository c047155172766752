"""Streamlit's front end, served from where it is installed, compressed.

Streamlit sends its 23 MB of JavaScript uncompressed and takes a thread for each file, in the process that also runs
the pages. Here a file is compressed when it is first asked for, and kept: in memory up to a bound, and on disk by
Streamlit version, so that the next process has it at once. Brotli at level 9 makes a fifth of it at 10 MB/s; level
11 would save another tenth for thirteen times the work.

A name that is not there is 404. Streamlit answers its page instead, with 200: a browser that still runs the version
before an upgrade would take that for the missing chunk.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import importlib.metadata
import importlib.util
import mimetypes
import os
import re
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import brotli

from fluxlit.asgi import Receive, Scope, Send
from fluxlit.reply import reply_text

# Vite puts a hash of the content into the name: `index.DormvYxC.js`.
HASHED = re.compile(r"\.[A-Za-z0-9_-]{8}\.[a-z0-9]+\Z")
IMMUTABLE = b"public, max-age=31536000, immutable"
REVALIDATED = b"no-cache"
COMPRESSIBLE = frozenset({".css", ".html", ".js", ".json", ".svg"})
RANGE = re.compile(r"bytes=(\d*)-(\d*)\Z")
MEMORY = 12 * 1024 * 1024

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "br": partial(brotli.compress, quality=9),
    "gzip": partial(gzip.compress, compresslevel=9, mtime=0),
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the front end.

    Attributes:
        file: where it is.
        content_type: its media type.
        tag: what its entity tags begin with.
        cache_control: how long a browser may keep it.
    """

    file: Path
    content_type: bytes
    tag: str
    cache_control: bytes

    @classmethod
    def of(cls, file: Path) -> Asset:
        """Describe a file."""
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        kind = {"text/javascript": "text/javascript; charset=utf-8", "text/css": "text/css; charset=utf-8"}.get(
            kind, kind
        )
        found = file.stat()
        hashed = HASHED.search(file.name) is not None
        return cls(
            file, kind.encode(), f"{found.st_mtime_ns:x}-{found.st_size:x}", IMMUTABLE if hashed else REVALIDATED
        )

    @property
    def compressible(self) -> bool:
        """It is text."""
        return self.file.suffix in COMPRESSIBLE


class Assets:
    """The front end's files as an ASGI application, by their path below the public mount.

    Args:
        folder: Streamlit's ``static`` folder.
        cache: folder for compressed variants; `None` keeps them in memory only.
    """

    def __init__(self, folder: Path, cache: Path | None) -> None:
        self._assets = {
            f"/{file.relative_to(folder).as_posix()}": Asset.of(file)
            for file in sorted(folder.rglob("*"))
            if file.is_file() and file.name != "index.html"
        }
        self._cache = cache
        self._kept: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._size = 0
        self._making: dict[tuple[str, str], asyncio.Task[bytes]] = {}

    @classmethod
    def of_streamlit(cls) -> Assets | None:
        """The front end of the installed Streamlit, found without importing it; `None` if there is none."""
        spec = importlib.util.find_spec("streamlit")
        if spec is None or not spec.submodule_search_locations:
            return None
        folder = Path(spec.submodule_search_locations[0]) / "static"
        if not folder.is_dir():
            return None
        return cls(folder, cache_folder(importlib.metadata.version("streamlit")))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request; its path is the one below the public mount."""
        del receive
        path = scope["path"]
        asset = self._assets.get(path)
        if scope["method"] not in ("GET", "HEAD"):
            await reply_text(scope, send, 405, "Method not allowed.", [(b"allow", b"GET, HEAD")])
        elif asset is None:
            await reply_text(scope, send, 404, "Not found.")
        else:
            await self._serve(asset, path, scope, send)

    async def _serve(self, asset: Asset, path: str, scope: Scope, send: Send) -> None:
        fields = {name: value.decode("latin-1") for name, value in scope["headers"]}
        encoding = "" if b"range" in fields or not asset.compressible else chosen(fields.get(b"accept-encoding", ""))
        tag = f'"{asset.tag}{encoding and "-" + encoding}"'
        headers = [(b"etag", tag.encode()), (b"cache-control", asset.cache_control), (b"accept-ranges", b"bytes")]
        if asset.compressible:
            headers.append((b"vary", b"accept-encoding"))
        if matches(fields.get(b"if-none-match", ""), tag):
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        body = await self._body(asset, path, encoding)
        status, body = sliced(body, fields.get(b"range", ""), fields.get(b"if-range", tag) == tag, headers)
        if encoding:
            headers.append((b"content-encoding", encoding.encode()))
        headers += [(b"content-type", asset.content_type), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _body(self, asset: Asset, path: str, encoding: str) -> bytes:
        key = (path, encoding)
        if (kept := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return kept
        task = self._making.get(key)
        if task is None:
            task = self._making[key] = asyncio.create_task(asyncio.to_thread(self._make, asset, path, encoding))
            task.add_done_callback(lambda done: self._keep(key, done))
        return await asyncio.shield(task)

    def _make(self, asset: Asset, path: str, encoding: str) -> bytes:
        if not encoding:
            return asset.file.read_bytes()
        stored = self._cache / f"{path[1:].replace('/', '-')}.{asset.tag}.{encoding}" if self._cache else None
        if stored is not None:
            with contextlib.suppress(OSError):
                return stored.read_bytes()
        body = COMPRESSORS[encoding](asset.file.read_bytes())
        if stored is not None:
            store(stored, body)
        return body

    def _keep(self, key: tuple[str, str], task: asyncio.Task[bytes]) -> None:
        del self._making[key]
        if task.cancelled() or task.exception() is not None:
            return
        self._kept[key] = task.result()
        self._size += len(task.result())
        while self._size > MEMORY:
            self._size -= len(self._kept.popitem(last=False)[1])


def chosen(accepted: str) -> str:
    """The best coding that a client accepts (RFC 9110 section 12.5.3), empty for none."""
    weights = {}
    for item in accepted.split(","):
        name, _, parameters = item.partition(";")
        weight = parameters.strip().removeprefix("q=") if parameters else "1"
        weights[name.strip().lower()] = weight.strip("0.") != "" or "1" in weight
    return next((name for name in COMPRESSORS if weights.get(name, weights.get("*", False))), "")


def matches(condition: str, tag: str) -> bool:
    """Whether If-None-Match holds (RFC 9110 section 13.1.2: weak comparison)."""
    return condition.strip() == "*" or tag in (item.strip().removeprefix("W/") for item in condition.split(","))


def sliced(body: bytes, asked: str, fresh: bool, headers: list[tuple[bytes, bytes]]) -> tuple[int, bytes]:  # noqa: FBT001
    """Answer a range request (RFC 9110 section 14); several ranges at once are answered whole, which is allowed.

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
    begin = int(first) if first else max(0, len(body) - int(last))
    end = min(int(last), len(body) - 1) if first and last else len(body) - 1
    if begin > end:
        headers.append((b"content-range", f"bytes */{len(body)}".encode()))
        return 416, b""
    headers.append((b"content-range", f"bytes {begin}-{end}/{len(body)}".encode()))
    return 206, body[begin : end + 1]


def cache_folder(version: str) -> Path | None:
    """A folder of this user's for compressed files; `None` where nothing can be written."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "fluxlit" / f"streamlit-{version}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    # What others may write is no cache of ours: they would choose what browsers run.
    found = folder.stat()
    mine = not hasattr(os, "getuid") or (found.st_uid == os.getuid() and not found.st_mode & 0o022)
    return folder if mine and os.access(folder, os.W_OK) else None


def store(file: Path, body: bytes) -> None:
    """Write a file so that nobody ever reads half of it."""
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(body)
        Path(name).replace(file)
