"""Streamlit's page, which loads all the rest: sent compressed, and with the lean font of icons as soon as there is one.

Streamlit decides which addresses have the page. What it answers with is recognised by its headers, and replaced;
everything else passes by untouched.
"""

from __future__ import annotations

import hashlib
from email.utils import formatdate

from fluxlit.asgi import Application, Message, Receive, Scope, Send
from fluxlit.frontend import ENCODINGS, Files, Shelf, chosen, matches
from fluxlit.frontend.icons import Icons
from fluxlit.frontend.page import with_lean_icons
from fluxlit.frontend.variants import COMPRESSORS

OF_THE_FILE = frozenset({b"content-length", b"content-encoding", b"etag", b"last-modified", b"accept-ranges", b"vary"})


def with_shell(application: Application) -> Application:
    """An application around Streamlit's that sends the page in a better form."""
    files = Files.of_streamlit()
    return Shell(application, files, Shelf.of(files.version)) if files is not None else application


class Shell:
    """Streamlit's application with a better form of its page.

    Args:
        application: Streamlit's.
        files: its front end.
        shelf: where the lean font of icons is kept.
    """

    def __init__(self, application: Application, files: Files, shelf: Shelf) -> None:
        self._application = application
        self._page = Page(files, shelf)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._application(scope, receive, send)
            return
        replaced = False

        async def replacing(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and self._page.is_in(message):
                replaced = True
                await self._page.send(message, scope, send)
            elif not replaced:
                await send(message)

        await self._application(scope, receive, replacing)


class Page:
    """The page, in the forms in which it is sent.

    Args:
        files: the front end.
        shelf: where the lean font of icons is kept.
    """

    def __init__(self, files: Files, shelf: Shelf) -> None:
        self._files = files
        self._icons = Icons(files, shelf)
        found = files.shell.stat()
        # By these two Starlette describes a file, and Streamlit leaves them also where it compresses the page itself.
        tag = hashlib.md5(f"{found.st_mtime}-{found.st_size}".encode(), usedforsecurity=False).hexdigest()
        self._signs = {
            (b"etag", f'"{tag}"'.encode()),
            (b"last-modified", formatdate(found.st_mtime, usegmt=True).encode()),
        }
        self._lean = False
        self._forms: dict[str, bytes] = {}

    def is_in(self, start: Message) -> bool:
        """Whether an answer is the page, whole."""
        return start["status"] == 200 and self._signs <= {(name.lower(), value) for name, value in start["headers"]}

    async def send(self, start: Message, scope: Scope, send: Send) -> None:
        """Send the page in place of the file."""
        fields = {name: value.decode("latin-1") for name, value in scope["headers"]}
        encoding = chosen(fields.get(b"accept-encoding", ""))
        body = self._form(encoding)
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        headers = [field for field in start["headers"] if field[0].lower() not in OF_THE_FILE]
        headers += [(b"etag", tag.encode()), (b"vary", b"accept-encoding")]
        if matches(fields.get(b"if-none-match", ""), tag):
            await send({"type": "http.response.start", "status": 304, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        if encoding:
            headers.append((b"content-encoding", encoding.encode()))
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _form(self, encoding: str) -> bytes:
        if not self._lean and (lean := self._icons.find()) is not None:
            self._lean = True
            page = with_lean_icons(self._files, lean)
            self._forms = {"": page.encode()} if page else self._forms
        if encoding not in self._forms:
            whole = self._forms.setdefault("", self._files.shell.read_bytes())
            if encoding:
                self._forms[encoding] = COMPRESSORS[ENCODINGS[encoding].best](whole)
        return self._forms[encoding]
