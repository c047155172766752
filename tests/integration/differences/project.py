"""The application that is compared.

What it notes of its process and of each request.
"""

FACTS = '''
import asyncio
import gc
import locale
import logging
import os
import signal
import sys
import threading
import warnings
from multiprocessing import get_all_start_methods, get_context
from concurrent.futures import ProcessPoolExecutor


SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGPIPE", "SIGCHLD", "SIGUSR1")


def square(number):
    return number * number


def pool(method):
    """What processes of a pool compute, or the exception."""
    try:
        with ProcessPoolExecutor(1, mp_context=get_context(method)) as executor:
            return list(executor.map(square, [3]))
    except Exception as error:
        return type(error).__name__


def handler(name):
    found = signal.getsignal(getattr(signal, name))
    return {signal.SIG_DFL: "default", signal.SIG_IGN: "ignored", None: "unknown"}.get(found, "a function")


def thread():
    return "main" if threading.current_thread() is threading.main_thread() else "another"


def process():
    """Facts about this process, as the application finds them."""
    main = sys.modules["__main__"]
    root = logging.getLogger()
    return {
        "directory": os.path.basename(os.getcwd()),
        "arguments": [os.path.basename(part) for part in sys.argv],
        "main": os.path.basename(getattr(main, "__file__", None) or ""),
        "path begins with": os.path.basename(sys.path[0].rstrip("/")),
        "environment": sorted(set(os.environ) - {"_", "SHLVL", "PWD", "OLDPWD"}),
        "umask": oct(umask()),
        "nice": os.nice(0),
        "session leader": os.getsid(0) == os.getpid(),
        "standard input": "none" if sys.stdin is None else "a terminal" if sys.stdin.isatty() else "no terminal",
        "locale": locale.getlocale(),
        "encoding": [sys.stdout.encoding, sys.getfilesystemencoding()],
        **{f"signal {name}": handler(name) for name in SIGNALS},
        "warnings": [each[0] for each in warnings.filters],
        "garbage collection": [gc.isenabled(), *gc.get_threshold()],
        "recursion limit": sys.getrecursionlimit(),
        "switch interval": sys.getswitchinterval(),
        "thread stack": threading.stack_size(),
        "root logger": [logging.getLevelName(root.level), [type(each).__name__ for each in root.handlers]],
        "my logger": logging.getLevelName(logging.getLogger("myapp").getEffectiveLevel()),
        "httpx logger": logging.getLevelName(logging.getLogger("httpx").getEffectiveLevel()),
        "start methods": get_all_start_methods(),
    }


def umask():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1], 8) for line in status if line.startswith("Umask"))
'''

SERVICE = """
import asyncio
import gzip
import logging

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.responses import FileResponse, HTMLResponse, StreamingResponse

import facts

logging.basicConfig(filename="api.log", level=logging.DEBUG, format="%(name)s %(message)s")
logging.getLogger("api.audit").addHandler(logging.FileHandler("audit.log", mode="w"))
api = FastAPI(title="Compared")


@api.get("/seen")
def seen(request: Request, response: Response):
    response.set_cookie("own", "1")
    return {
        "client": request.client and request.client.host,
        "url": str(request.url),
        "link": str(request.url_for("seen")),
        "version": request.scope["http_version"],
        "server": list(request.scope["server"] or ()),
        "asgi": request.scope["asgi"],
        "state": sorted(request.scope.get("state", {})),
        "extensions": sorted(request.scope.get("extensions") or ()),
        "headers": {name: value for name, value in request.headers.items()},
        "cookies": request.cookies,
        "path": request.scope["path"].removeprefix(request.scope["root_path"]),
    }


@api.get("/process")
async def process():
    loop = asyncio.get_running_loop()
    own = {"event loop": f"{type(loop).__module__}.{type(loop).__name__}", "thread": facts.thread()}
    return facts.process() | own | {"spawn": await asyncio.to_thread(facts.pool, "spawn")}


@api.get("/log")
def log():
    logging.getLogger("myapp").debug("a debug line")
    logging.getLogger("api.audit").warning("an audit line")
    logging.getLogger("uvicorn.error").info("a line by the logger of uvicorn")
    return "logged"


@api.get("/fails")
def fails():
    raise ValueError("a secret detail")


@api.get("/number/{number}")
def number(number: int):
    return number


@api.get("/parts")
def parts():
    return StreamingResponse((f"part {number}\\n" for number in range(3)), media_type="text/plain")


@api.get("/page")
def page():
    return HTMLResponse("<p>hello</p>")


@api.get("/front/{path:path}")
def front(request: Request, path: str):
    # A front end with addresses of its own, as Angular, Blazor, Flutter and Gradio have it.
    if path == "main.js":
        return Response("document.title = 'loaded'", media_type="text/javascript")
    base = f"{request.scope['root_path']}/front/"
    return HTMLResponse(f'<head><base href="{base}"><script src="main.js"></script></head>')


@api.get("/paths/{rest:path}")
def paths(request: Request, rest: str):
    scope = request.scope
    raw = scope["raw_path"].decode()
    return {"rest": rest, "raw": raw[raw.index("/paths") :], "query": scope["query_string"].decode("latin-1")}


@api.api_route("/echo", methods=["POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
async def echo(request: Request):
    return {"method": request.method, "size": len(await request.body()), "framing": framing(request)}


def framing(request):
    return [name for name in ("content-length", "transfer-encoding", "expect") if name in request.headers]


@api.get("/empty", status_code=204)
def empty(response: Response):
    response.set_cookie("one", "1")
    response.set_cookie("two", "2", httponly=True)
    response.headers["X-Empty"] = ""
    response.headers["Server-Timing"] = "db;dur=1"


@api.get("/file")
def file():
    return FileResponse("service.py", filename="a name ü.py", headers={"Last-Modified": "x", "ETag": '"1"'})


@api.get("/compressed")
def compressed():
    return Response(gzip.compress(b"hello", mtime=0), headers={"Content-Encoding": "gzip"}, media_type="text/plain")


@api.websocket("/ws")
async def ws(socket: WebSocket):
    await socket.accept("second", headers=[(b"x-accepted", b"1")])
    text = await socket.receive_text()
    await socket.send_json(
        {
            "client": socket.client and socket.client.host,
            "url": str(socket.url),
            "link": str(socket.url_for("ws")),
            "path": socket.scope["path"].removeprefix(socket.scope["root_path"]),
            "offered": socket.scope["subprotocols"],
            "extensions": sorted(socket.scope.get("extensions") or ()),
            "headers": {name: value for name, value in socket.headers.items()},
            "received": len(text),
        }
    )
    await socket.close(4321, "a reason")
"""

UI = '''
import gc
import json
import logging

import facts
import streamlit as st
from streamlit import config
from streamlit.web.server.server import Server

logging.basicConfig(handlers=[logging.FileHandler("ui.log")], level=logging.DEBUG, format="%(name)s %(message)s")

def servers():
    """How many servers libraries find."""
    return sum(issubclass(type(each), Server) for each in gc.get_objects())


if __name__ == "__main__":
    logging.getLogger("myapp").debug("a debug line")
    st.title("Compared")
    context = st.context
    seen = {
        "process": facts.process() | {"spawn": facts.pool("spawn"), "name": __name__, "servers": servers()},
        "options": {
            key: repr(st.get_option(key)) for key in config.get_config_options() if "secret" not in key.lower()
        },
        "request": {
            "headers": {name.lower(): value for name, value in context.headers.items()},
            "cookies": sorted(context.cookies),
            "address": context.ip_address,
            "url": context.url,
            "locale": context.locale,
            "embedded": context.is_embedded,
            "user": st.user.to_dict(),
            "query": st.query_params.to_dict(),
        },
    }
    if "facts" in st.query_params:
        st.text(json.dumps(seen, default=str))
    st.button("Press")
    st.download_button("Load", b"content", "content.txt")
'''

APP = """
from fluxlit import FluxLit
from service import api

app = FluxLit(ui="ui.py", api=api)
"""

FILES = {"facts.py": FACTS, "service.py": SERVICE, "ui.py": UI, "app.py": APP}
