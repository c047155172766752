"""Routes for everything that an edge can break.

Addresses, streams, uploads, downloads, WebSockets and pages have one route each.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Path, Query, Request, WebSocket
from fastapi.responses import StreamingResponse

from fluxlit import ApiClient, FluxLit

app = FluxLit(title="Edge demo")


@app.api.get("/whoami")
def whoami(request: Request) -> dict[str, Any]:
    """What the application knows about the way here."""
    return {
        "client": request.client.host if request.client else None,
        "url": str(request.url),
        "link": str(request.url_for("download")),
        "path": request.scope["raw_path"].decode("latin-1"),
        "headers": sorted(request.headers.items()),
    }


@app.api.get("/items/{name:path}")
def item(request: Request, name: Annotated[str, Path()]) -> dict[str, str]:
    """The rest of the path, decoded, and the whole of it as it arrived."""
    return {"name": name, "path": request.scope["raw_path"].decode("latin-1")}


@app.api.get("/events", response_class=StreamingResponse)
def events(count: Annotated[int, Query(ge=1, le=1000)] = 5, media_type: str = "text/event-stream") -> StreamingResponse:
    """Send an event every fifth of a second, with its time in milliseconds."""

    async def each() -> AsyncIterator[str]:
        for _ in range(count):
            yield f"data: {time.time() * 1000:.0f}\n\n"
            await asyncio.sleep(0.2)

    return StreamingResponse(each(), media_type=media_type, headers={"cache-control": "no-cache"})


@app.api.get("/download")
def download(size: Annotated[int, Query(ge=0, le=1 << 30)] = 1_000_000) -> StreamingResponse:
    """Send a file of so many bytes."""
    whole, rest = divmod(size, 1000)
    parts = (b"x" * length for length in [1000] * whole + [rest])
    headers = {"content-disposition": 'attachment; filename="download.bin"', "content-length": str(size)}
    return StreamingResponse(parts, media_type="application/octet-stream", headers=headers)


@app.api.put("/upload")
async def upload(request: Request) -> dict[str, Any]:
    """Count what was sent."""
    size, digest = 0, hashlib.sha256()
    async for part in request.stream():
        size += len(part)
        digest.update(part)
    return {"bytes": size, "sha256": digest.hexdigest()}


@app.api.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    """Send every message back."""
    await websocket.accept()
    async for message in websocket.iter_text():
        await websocket.send_text(message)


@app.page("/", title="Home")
def home(st: Any, client: ApiClient) -> None:
    """Show facts about the browser, and one of everything that it can do."""
    st.title("Behind an edge")
    st.text(f"Address: {st.context.url}")
    st.text(f"Visitor: {st.context.ip_address or 'this machine'}")
    seen = st.context.headers
    st.text(f"Way here: {seen['X-Forwarded-For']} by {seen['X-Forwarded-Proto']} to {seen['X-Forwarded-Host']}")
    st.text(f"API as the page sees it: {client.get('/whoami').json()['url']}")

    st.session_state.setdefault("clicks", 0)
    if st.button("Count"):
        st.session_state.clicks += 1
    st.text(f"Clicks: {st.session_state.clicks}")

    document = st.file_uploader("A file")
    if document is not None:
        st.text(f"{document.name}: {document.size} bytes, sha256 {hashlib.file_digest(document, 'sha256').hexdigest()}")
    st.download_button("Save", b"y" * 3_000_000, file_name="saved.bin")


@app.page("/second", title="Second page")
def second(st: Any) -> None:
    """A page to link to."""
    st.title("The second page")
    st.text(f"Query: {dict(st.query_params)}")
