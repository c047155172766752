"""What can be seen of an application from outside, as a table of facts."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import websockets
from playwright.sync_api import Browser

from tests.support.chromium import open_visitor
from tests.support.ports import free_port
from tests.support.processes import Server, background, clean_environ, descendants

Facts = dict[str, str]

SENT = {
    "Cookie": "theirs=1; other=2",
    "Authorization": "Bearer of-the-client",
    "Forwarded": "for=6.6.6.6",
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Email": "eve@example.com",
    "X-Real-IP": "6.6.6.6",
    "CF-Connecting-IP": "6.6.6.6",
    "X-User": "eve",
    "X-Auth-Request-User": "eve",
    "Remote-User": "eve",
    "X-FluxLit-User": "eve",
    "X-Request-ID": "of-the-client",
    "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "Via": "1.1 edge",
    "Accept-Encoding": "gzip",
    "X-Custom": "kept",
    "User-Agent": "compared/1",
}

API_REQUESTS = (
    *(("GET", path) for path in ("/seen", "/nothing", "/fails", "/number/x", "/parts", "/page", "/openapi.json")),
    ("GET", "/docs"),
    *(("POST", "/seen"), ("HEAD", "/page"), ("OPTIONS", "/seen"), ("GET", "/seen/")),
    *(("GET", path) for path in ("/paths/a%2Fb%20c;d=1/%C3%BC//x?x=%20&y=+&z", "/empty", "/file", "/compressed", "/")),
    *((method, "/echo") for method in ("POST", "PUT", "PATCH", "DELETE")),
)

UI_REQUESTS = (
    *(("GET", path) for path in ("/", "/other", "/favicon.png", "/_stcore/health", "/_stcore/host-config")),
    *(("GET", path) for path in ("/static/nothing.js", "/media/nothing.png", "/_stcore/metrics", "/component/no/x.js")),
    *(("GET", path) for path in ("/_stcore/script-health-check", "/healthz", "/docs", "/openapi.json")),
    *(("HEAD", "/"), ("POST", "/"), ("OPTIONS", "/_stcore/health"), ("PUT", "/_stcore/upload_file/a/b")),
)


@dataclass
class Placement:
    """One way to run the application.

    Attributes:
        name: in the table of the documentation.
        server: the running server.
        port: where it listens.
        folder: its working directory.
        ui: path of the UI; `None` if it has none.
        api: path of the API; `None` if it has none.
    """

    name: str
    server: Server
    port: int
    folder: Path
    ui: str | None
    api: str | None
    facts: Facts = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait(self) -> None:
        """Wait until the application answers."""
        paths = [f"{self.ui}/_stcore/health" if self.ui is not None else f"{self.api}/seen"]
        paths += [f"{self.api}/readyz"] if self.ui is not None and self.api is not None else []
        self.server.wait_for(r"(?i)ready|running on|You can now view", 120)
        with httpx.Client(trust_env=False, timeout=60) as client:
            for path in paths:
                for _ in range(600):
                    try:
                        if client.get(self.origin + path).status_code == httpx.codes.OK:
                            break
                    except httpx.TransportError:
                        pass
                    time.sleep(0.1)

    def note(self, key: str, value: object) -> None:
        """Remember a fact, without what differs by chance."""
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
        text = text.replace(str(self.folder), "FOLDER").replace(str(self.port), "PORT")
        self.facts[key] = normal(text)

    def observe(self) -> None:
        """Look at everything but what a browser sees."""
        if self.api is not None:
            self._observe_requests("api", self.api, API_REQUESTS)
            self._observe_api(self.api)
            asyncio.run(self._observe_socket(self.api))
        if self.ui is not None:
            self._observe_requests("ui", self.ui, UI_REQUESTS)
        if self.ui is not None:
            asyncio.run(self._observe_page(self.ui))

    def _observe_requests(self, area: str, base: str, requests: Any) -> None:
        for method, path in requests:
            asked = f"{method} {path}"
            response = httpx.request(method, self.origin + base + path, trust_env=False, timeout=60)
            self.note(f"{area} status of {asked}", response.status_code)
            for name in set(response.headers) - {"content-length"}:
                self.note(f"{area} response header {name} of {asked}", ", ".join(response.headers.get_list(name)))
            kind = response.headers.get("content-type", "")
            if kind.startswith(("application/json", "text/plain", "application/problem")) and "openapi" not in path:
                self.note(f"{area} body of {asked}", response.text.replace(base, "") if base else response.text)

    def _observe_api(self, base: str) -> None:
        client = httpx.Client(trust_env=False, timeout=60, base_url=f"{self.origin}{base}")
        seen = client.get("/seen?q=a%20b&c", headers=SENT).json()
        for name in ("url", "link"):
            seen[name] = seen[name].replace(f"{self.origin.partition(':')[2]}{base}/", "/")
        self._note_all("api request header", seen.pop("headers"))
        self._note_all("api request", seen)
        self._note_all("api process:", client.get("/process").json())
        client.get("/log")
        for name in ("api.log", "audit.log"):
            lines = (self.folder / name).read_text().splitlines()
            self.note(f"api file {name}", [line for line in lines if line.startswith(("myapp ", "an audit"))])
        client.close()
        with suppress(AssertionError):  # a line that never comes is a difference
            self.server.wait_for("a line by the logger of uvicorn", 60)
        lines = "".join(self.server.output).splitlines()
        for text in ("a debug line", "a line by the logger of uvicorn"):
            self.note(f"api lines on the terminal: {text}", sum(text in line for line in lines))

    async def _observe_socket(self, base: str) -> None:
        url = f"{self.origin.replace('http', 'ws', 1)}{base}"
        offered = [websockets.Subprotocol("first"), websockets.Subprotocol("second")]
        # uvicorn trusts this machine with the address and the scheme, which requests show already.
        own = ("Accept-Encoding", "User-Agent", "X-Forwarded-For", "X-Forwarded-Proto")
        sent = {name: value for name, value in SENT.items() if name not in own}
        async with websockets.connect(
            f"{url}/ws?q=a%20b", subprotocols=offered, additional_headers=sent, max_size=None, proxy=None
        ) as socket:
            assert socket.response is not None
            self.note("api websocket: subprotocol", socket.subprotocol or "")
            for name in set(socket.response.headers) - {"Sec-WebSocket-Accept", "sec-websocket-accept"}:
                self.note(f"api websocket: response header {name.lower()}", socket.response.headers[name])
            await socket.send("x" * 300_000)
            seen = json.loads(await socket.recv())
            for name in ("url", "link"):
                seen[name] = seen[name].replace(f"{self.origin.partition(':')[2]}{base}/", "/")
            seen["headers"] = self._unlike_requests(seen["headers"])
            self._note_all("api websocket:", seen)
            await socket.wait_closed()
            self.note("api websocket: close", [socket.close_code, socket.close_reason])
        try:
            async with websockets.connect(f"{url}/nothing", proxy=None):
                pass
        except websockets.InvalidStatus as refused:
            self.note("api websocket: status of an unknown path", refused.response.status_code)

    def _unlike_requests(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Headers that a WebSocket and other requests have differently."""
        names = {*SENT, *headers} - {"User-Agent", "X-Forwarded-For", "X-Forwarded-Proto", "Accept-Encoding"}
        found = {
            name.lower(): (headers.get(name.lower()), self.facts.get(f"api request header {name.lower()}"))
            for name in names
        }
        return {
            name: str(one) for name, (one, other) in sorted(found.items()) if name not in HANDSHAKE and one != other
        }

    async def _observe_page(self, base: str) -> None:
        url = f"{self.origin}{base}"
        async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
            token = (await http.get(f"{url}/_stcore/health")).cookies["_streamlit_xsrf"]
        sent = {**SENT, "Cookie": f"_streamlit_xsrf={token}; {SENT['Cookie']}"}
        # uvicorn trusts this machine with the scheme, so the page's own origin would be another one.
        del sent["Accept-Encoding"], sent["User-Agent"], sent["X-Forwarded-Proto"]
        text = await page_text(url, token, sent)
        seen = json.loads(text)
        request = seen["request"]
        headers = {name: value for name, value in request.pop("headers").items() if name not in HANDSHAKE}
        headers["cookie"] = re.sub(r"_streamlit_xsrf=[^;]*", "", headers["cookie"])
        self._note_all("ui request header", headers)
        request["url"] = (request["url"] or "").replace(url, "")
        self._note_all("ui request", request)
        self._note_all("ui process:", seen["process"])
        self._note_all("ui option", seen["options"])
        for _ in range(100):
            lines = (self.folder / "ui.log").read_text().splitlines() if (self.folder / "ui.log").exists() else []
            if "myapp a debug line" in lines:
                break
            await asyncio.sleep(0.01)
        self.note("ui file ui.log", sorted({line for line in lines if line.startswith("myapp ")}))

    def _note_all(self, area: str, facts: Mapping[str, Any]) -> None:
        for name, value in facts.items():
            if name == "environment":
                self.facts |= {f"{area} environment {variable}": "set" for variable in value}
            else:
                self.note(f"{area} {name}", value)

    def browse_api(self, browser: Browser) -> None:
        """Open a page that the API serves, and note whether its files arrive."""
        with open_visitor(browser) as visitor:
            visitor.page.goto(f"{self.origin}{self.api}/front/users/5")
            self.note("api page with a base of its own", visitor.page.title())

    def browse_ui(self, browser: Browser) -> None:
        """Open the page in a browser, press a button, and note what it did."""
        assert self.ui is not None
        requests: set[str] = set()
        messages: list[str] = []
        base = f"{self.origin}{self.ui}"
        with open_visitor(browser) as visitor:
            visitor.stand_in_for_others()  # a response is what counts as a request
            page = visitor.page
            page.on("response", lambda each: requests.add(_asked(each.request.method, each.url, each.status, base)))
            page.on("console", lambda each: messages.append(f"{each.type}: {each.text.replace(base, '')}"))
            page.on("websocket", lambda each: requests.add(_asked("WebSocket", each.url, 101, base)))
            visitor.visit(f"{base}/")
            page.get_by_role("button", name="Press").click()
            visitor.settle()
            page.get_by_role("button", name="Press").wait_for()
            for cookie in page.context.cookies():
                about = ["HttpOnly"] * bool(cookie.get("httpOnly")) + ["Secure"] * bool(cookie.get("secure"))
                self.note(f"browser cookie {cookie['name']}", [*about, cookie.get("sameSite")])
            self.note("browser title", page.title())
            self.note("browser menu", page.get_by_test_id("stMainMenu").count())
        for each in requests:
            self.facts[f"browser request {each}"] = "sent"
        self.note("browser console", sorted(set(messages)))

    def stop(self) -> None:
        """Send SIGTERM, and note how the server ends."""
        left = descendants(self.server.process.pid)
        self.server.process.send_signal(signal.SIGTERM)
        try:
            code: object = self.server.process.wait(60)
        except subprocess.TimeoutExpired:
            code = "not ended within 60 s"
        self.note("process exit code after SIGTERM", code)
        _, alive = psutil.wait_procs(left, timeout=10)  # Python's resource tracker ends a little later
        self.note("process left behind", len(alive))
        for line in self.server.output:
            # Files of the application that are open at its end are no matter.
            if (found := re.search(r"\b\w+Warning: .*", line)) and "ResourceWarning" not in line:
                self.note(f"process warning {normal(found[0])}", "logged")


# Of the handshake itself; each hop makes its own.
HANDSHAKE = {
    *("connection", "upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions"),
    *("sec-websocket-protocol", "host", "origin"),
}


async def page_text(url: str, token: str, headers: Mapping[str, str]) -> str:
    """The text of the page in its first run."""
    from streamlit.proto.BackMsg_pb2 import BackMsg  # noqa: PLC0415
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg  # noqa: PLC0415

    message = BackMsg()
    message.rerun_script.query_string = "facts=1"
    async with websockets.connect(
        f"{url.replace('http', 'ws', 1)}/_stcore/stream",
        subprotocols=[websockets.Subprotocol("streamlit"), websockets.Subprotocol(token)],
        origin=websockets.Origin(f"http://{urlsplit(url).netloc}"),
        additional_headers=headers,
        max_size=None,
        proxy=None,
    ) as socket:
        await socket.send(message.SerializeToString())
        text = ""
        async with asyncio.timeout(120):
            while True:
                received = ForwardMsg.FromString(await socket.recv())
                kind = received.WhichOneof("type")
                element = received.delta.new_element.WhichOneof("type") if kind == "delta" else ""
                assert element != "exception", received.delta.new_element.exception
                if element == "text":
                    text = received.delta.new_element.text.body
                if kind == "script_finished":
                    return text


def _asked(method: str, url: str, status: int, base: str) -> str:
    path = url.replace(base.replace("http", "ws", 1), "").replace(base, "").partition("?")[0]
    return f"{method} {normal(path)} {status}"


def normal(text: str) -> str:
    """The string without dates, hashes and ids."""
    text = re.sub(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", "DATE", text)
    text = re.sub(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "ID", text)
    text = re.sub(r"2\|[0-9a-f]{8}\|[0-9a-f]{32}\|\d+", "TOKEN", text)
    text = re.sub(r"\b[0-9a-f]{16,}\b", "ID", text)
    return re.sub(r"(?<=\.)[\w-]{8}(?=\.(?:js|css|woff2?|png|svg|map))", "HASH", text)


def started(stack: ExitStack, folder: Path, name: str, command: list[str], **about: Any) -> Placement:
    """Start one setup; the stack ends it."""
    port = free_port()
    environ = clean_environ(PYTHONUNBUFFERED="1", PYTHONWARNINGS="default", **about.pop("environ", {}))
    words = [word.replace("PORT", str(port)) for word in command]
    server = stack.enter_context(background(words, cwd=folder, environ=environ))
    return Placement(name, server, port, folder, **about)
