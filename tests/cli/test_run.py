"""`fluxlit run`: one message for invalid input, an orderly stop."""

import asyncio
import json
import re
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.command import COMMAND, fluxlit, nothing_left, says, write
from tests.support.processes import Server, background, clean_environ
from tests.support.session import Session

HEAD = "from fluxlit import FluxLit\napp = FluxLit()\n"
PAGE = "@app.page('/')\ndef home(st):\n    st.title('Home')\n"
API = "@app.api.get('/n')\ndef n():\n    return 1\n"

TARGETS: dict[str, tuple[dict[str, str], list[str], *tuple[str, ...]]] = {
    "no-module": (
        {},
        ["run", "nowhere:app"],
        "there is no module 'nowhere'",
        "Run the command in the project's directory",
    ),
    "no-file": ({}, ["run", "./nowhere.py:app"], "there is no file", "nowhere.py"),
    "no-default": ({}, ["run"], "There is no application in", "fluxlit new ."),
    "not-a-target": ({}, ["run", "a b:c"], "Target 'a b:c' is not valid", "write module:attribute"),
    "no-attribute": ({"app.py": HEAD}, ["run", "app:portal"], "has no attribute 'portal'", "did you mean app:app?"),
    "not-at-the-top": (
        {"app.py": "from fluxlit import FluxLit\nif __name__ == '__main__':\n    app = FluxLit()\n"},
        ["run"],
        "has no attribute 'app'. Create one at its top level: app = FluxLit().",
    ),
    "fastapi-on-fluxlit": (
        {"app.py": HEAD + "@app.get('/n')\ndef n():\n    return 1\n"},
        ["run"],
        "'FluxLit' object has no attribute 'get'; the API has: app.api.get",
        "app.py:3",
    ),
    "flask": (
        {"app.py": HEAD + "app.run(port=8000)\n"},
        ["run"],
        "'FluxLit' object has no attribute 'run'; start it with `fluxlit run`",
    ),
    "not-fluxlit": ({"app.py": "app = 5\n"}, ["run"], "is an int, not a FluxLit object", "Write app = FluxLit(...)"),
    "streamlit-app": (
        {"app.py": "from streamlit.starlette import App\napp = App('ui.py')\n"},
        ["run", "app:app"],
        "is an App, not a FluxLit object",
        "Serve its script, as with `fluxlit run ui.py`, or adopt it with FluxLit(ui='ui.py').",
    ),
    "import-error": ({"app.py": "import nowhere\n"}, ["run"], "No module named 'nowhere'", "app.py:1"),
    "syntax-error": ({"app.py": "def f(:\n"}, ["run"], "SyntaxError", "app.py:1"),
    "exception": ({"app.py": "x = 1\nx / 0\n"}, ["run"], "ZeroDivisionError: division by zero", "app.py:2"),
}

PAGES = {
    "twice": (
        PAGE + "@app.page('/')\ndef other(st): ...\n",
        "app.py:6: page path '/' is already registered at",
        "app.py:3",
    ),
    "nested": ("@app.page('/a/b')\ndef nested(st): ...\n", "/a/b", "one segment"),
    "parameter": (
        "@app.page('/')\ndef home(zebra): ...\n",
        "app.py:3: page '/' has parameter 'zebra', which nothing can fill",
    ),
}


@pytest.mark.parametrize("case", TARGETS)
def test_a_target_that_cannot_be_used(case: str, tmp_path: Path) -> None:
    files, arguments, *parts = TARGETS[case]
    says(fluxlit(*arguments, directory=write(tmp_path, files)), 1, *parts)


@pytest.mark.parametrize("case", PAGES)
def test_a_page_that_cannot_be_registered(case: str, tmp_path: Path) -> None:
    text, *parts = PAGES[case]
    says(fluxlit("run", directory=write(tmp_path, HEAD + text)), 1, *parts)


def test_a_strict_start_is_refused_for_what_is_dangerous(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": HEAD + PAGE, "fluxlit.toml": "streamlit_open_routes = ['metrics']\n"})

    done = fluxlit("run", "--strict", "--host", "0.0.0.0", "--port", "0", directory=tmp_path)

    assert done.returncode == 1
    assert done.stdout == ""
    found = re.findall(r"^(\w+): (\[\S+\]|Not started)", done.stderr, re.MULTILINE)
    assert found == [
        ("warning", "[public-url-missing]"),
        ("warning", "[streamlit-routes-open]"),
        ("error", "Not started"),
    ]


def test_all_wrong_settings_at_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"app.py": HEAD + PAGE, "fluxlit.toml": "\ngatway_port = 1\ngateway_host = 5\n", ".env": "FLUXLIT_PORT=1\n"},
    )
    done = fluxlit("run", "--port", "x", "--workers", "0", directory=tmp_path, FLUXLIT_TRUST_PROXY="perhaps")
    says(done, 1, "6 settings are wrong")
    for line in (
        "fluxlit.toml:2: unknown setting gatway_port; did you mean gateway_port?",
        "fluxlit.toml:3: gateway_host must be a string, not 5",
        ".env:1: unknown variable FLUXLIT_PORT; did you mean FLUXLIT_GATEWAY_PORT?",
        '--port: gateway_port must be a whole number from 0 to 65535, not "x"',
        '--workers: streamlit_workers must be a whole number of at least 1 or auto, not "0"',
        'FLUXLIT_TRUST_PROXY: trust_proxy must be true or false, not "perhaps"',
    ):
        assert f"  {line}\n" in done.stderr


def test_a_project_file_that_is_no_toml(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": HEAD, "fluxlit.toml": "a = = 1\n"})
    says(fluxlit("run", directory=tmp_path), 1, "fluxlit.toml:1: this is not valid TOML")


def test_a_wrong_argument_of_fluxlit(tmp_path: Path) -> None:
    write(tmp_path, "from fluxlit import FluxLit\napp = FluxLit(gatewayport=1)\n")
    says(fluxlit("run", directory=tmp_path), 1, "FluxLit(...): unknown setting gatewayport; did you mean gateway_port?")


def test_a_busy_port(tmp_path: Path) -> None:
    write(tmp_path, HEAD + PAGE)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = fluxlit("run", "--port", str(port), directory=tmp_path)
    says(done, 3, f"Address 127.0.0.1:{port} is already in use", "--port", "0 lets the system choose")


def test_a_worker_that_dies_at_the_start(tmp_path: Path) -> None:
    write(
        tmp_path,
        "import os, sys\nif 'worker' in sys.argv[0]:\n    print('out of luck', flush=True)\n    os._exit(7)\n"
        + HEAD
        + PAGE,
    )
    done = fluxlit("run", "--port", "0", directory=tmp_path)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    message = done.stderr.partition("error: ")[2]
    assert "it ended with exit code 7" in message
    assert message.endswith("Its last output:\n  out of luck\n")


def test_an_api_that_fails_at_its_start(tmp_path: Path) -> None:
    write(
        tmp_path,
        "from contextlib import asynccontextmanager\nfrom fluxlit import FluxLit\n"
        "@asynccontextmanager\nasync def life(app):\n    raise OSError('no database')\n    yield\n"
        "app = FluxLit(fastapi_kwargs={'lifespan': life})\n" + API,
    )
    done = fluxlit("run", "--port", "0", directory=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert "no database" in done.stderr


@contextmanager
def running(directory: Path, *arguments: str, **environ: str) -> Iterator[tuple[Server, str]]:
    """Run an application until it is ready; no process may remain."""
    with (
        nothing_left() as mark,
        background(
            [*COMMAND, "run", "--port", "0", *arguments], cwd=directory, environ=clean_environ(**environ) | mark
        ) as server,
    ):
        url = server.wait_for(r"FluxLit is ready at (http://\S+)/ \(", 60)[1]
        yield server, url
        server.process.wait(60)


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as response:
        return str(response.read().decode())


def test_it_says_where_it_is_once_everything_answers(tmp_path: Path) -> None:
    write(tmp_path, HEAD + PAGE + API)
    with running(tmp_path, "--root-path", "/apps/x") as (server, url):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/apps/x", url)
        assert get(f"{url}/api/readyz") == '{"status":"ready","streamlit":"ok"}'
        assert get(f"{url}/api/n") == "1"
        assert "<title>" in get(f"{url}/")
        assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_in_order_when_told(number: signal.Signals, tmp_path: Path) -> None:
    write(tmp_path, HEAD + PAGE)
    with running(tmp_path, "--strict") as (server, _):
        server.process.send_signal(number)
        assert server.process.wait(60) == 0
    assert "Traceback" not in "".join(server.output)


def test_a_second_interrupt_does_not_wait_for_open_requests(tmp_path: Path) -> None:
    write(
        tmp_path,
        HEAD + API + "import time\n@app.api.get('/slow')\ndef slow():\n    time.sleep(100)\n",
    )
    with running(tmp_path, "--graceful-timeout", "60") as (server, url):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"GET /api/slow HTTP/1.1\r\nHost: x\r\n\r\n")
            get(f"{url}/api/healthz")
            server.process.send_signal(signal.SIGINT)
            server.wait_for(r"Stopping: waiting up to 60 s for 1 open request\. Ctrl-C again stops at once\.", 60)
            assert server.process.poll() is None
            server.process.send_signal(signal.SIGINT)
            assert server.process.wait(30) == 130  # the route's thread could not be interrupted


def test_settings_of_every_layer_reach_the_running_application(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "main.py": HEAD.replace("()", "(title='Code', log_format='json')") + PAGE + API,
            "fluxlit.toml": 'target = "main:app"\napi_mount_path = "/file"\n',
            ".env": "FLUXLIT_ROOT_PATH=/dotenv\n",
        },
    )
    with running(tmp_path, "--log-level", "debug", FLUXLIT_TITLE="Environment") as (server, url):
        assert get(f"{url}/file/n") == "1"
        assert url.endswith("/dotenv")
        assert any(line.startswith('{"timestamp"') for line in server.output)
        server.stop()


# Streamlit gives loggers a form of its own where it is imported, and speaks of a "bare" process without its server.
STREAMLIT = """
import streamlit as st
from fluxlit import FluxLit
app = FluxLit(log_format="json")

@st.cache_data
def total():
    return 3

TOTAL = total()
st.title("Here it is never shown")

@app.api.get("/broken")
def broken():
    raise ValueError("in the API", total())

@app.page("/")
def home():
    raise ValueError("on the page")
"""


@pytest.mark.parametrize("workers", ["0", "1"], ids=["process", "worker"])
def test_an_application_that_imports_streamlit_has_one_log(workers: str, tmp_path: Path) -> None:
    async def visit(url: str) -> None:
        async with Session(url) as session:
            await session.run()

    write(tmp_path, STREAMLIT)
    with running(tmp_path, "--api-workers", workers) as (server, url):
        asyncio.run(visit(url))
        with pytest.raises(urllib.error.HTTPError):
            get(f"{url}/api/broken")
        server.wait_for(r"(?s)on the page.*in the API", 60)
        assert server.stop() == 0

    lines = [json.loads(line) for line in server.output]
    text = "".join(server.output)
    assert [part for part in ("ScriptRunContext", "No runtime found", "streamlit run") if part in text] == []
    assert {"streamlit.error_util", "uvicorn.error"} <= {line["logger"] for line in lines}
    hints = [line["message"] for line in lines if "outside of a page" in line["message"]]
    assert [hint.partition(" ")[0] for hint in hints] == [f"{tmp_path / 'app.py'}:11"]
