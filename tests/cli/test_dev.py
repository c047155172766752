"""`fluxlit dev`: saved code is served, broken code is reported."""

import re
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from fluxlit.server.sockets.listeners import own_address
from tests.cli.command import COMMAND, fluxlit, nothing_left, says, write
from tests.cli.test_run import get
from tests.support.processes import Server, background, clean_environ
from tests.support.waiting import until

pytestmark = pytest.mark.slow

APP = """
from fluxlit import FluxLit

app = FluxLit()

@app.api.get("/n")
def n():
    return 1

@app.page("/")
def home(st):
    st.title("Home")
"""


@dataclass
class Development:
    """An application under `fluxlit dev`."""

    folder: Path
    server: Server
    url: str

    def save(self, old: str, new: str, name: str = "app.py") -> None:
        """Edit a file as an editor does."""
        text = (self.folder / name).read_text()
        assert old in text
        (self.folder / name).write_text(text.replace(old, new))

    def says(self, pattern: str, timeout: float = 60) -> str:
        """Wait for a line."""
        return self.server.wait_for(rf"(?m)^.*(?:{pattern}).*$", timeout)[0]


@contextmanager
def development(folder: Path, *arguments: str, **environ: str) -> Iterator[Development]:
    """Run `fluxlit dev` until it is ready; no process may remain."""
    with nothing_left() as mark:
        with background(
            [*COMMAND, "dev", "--port", "0", *arguments], cwd=folder, environ=clean_environ(**environ) | mark
        ) as server:
            url = server.wait_for(r"App +(http://\S+)/\n", 60)[1]
            yield Development(folder, server, url)
            assert server.stop() == 0
        assert "Traceback" not in "".join(server.output)


def test_a_day_of_development(tmp_path: Path) -> None:
    write(tmp_path, APP)
    with development(tmp_path) as dev:
        assert get(f"{dev.url}/api/n") == "1"
        assert "API docs  " + dev.url + "/api/docs" in "".join(dev.server.output)
        dev.says("Ctrl-C to stop")
        dev.says("GET /api/n 200")

        # An API route is saved: it answers anew.
        dev.save("return 1", "return 2")
        line = dev.says(r"app\.py changed: reloaded .*API.*\(\d+\.\d\d s\)")
        assert get(f"{dev.url}/api/n") == "2", line

        # A mistake: one message with its place; what ran before runs on.
        dev.save("return 2", "return (")
        error = dev.says("app.py changed, but cannot be used: .*SyntaxError.*app.py:")
        assert error.startswith("error: ")
        dev.says("The previous version keeps serving.")
        assert get(f"{dev.url}/api/n") == "2"
        assert get(f"{dev.url}/api/readyz") == '{"status":"ready","streamlit":"ok"}'

        # It is mended, and goes on.
        dev.save("return (", "return 3")
        until(lambda: get(f"{dev.url}/api/n") == "3")

        # A module is added and used.
        write(tmp_path, {"helper/__init__.py": "", "helper/numbers.py": "four = 4\n"})
        dev.save("return 3", "from helper.numbers import four; return four")
        until(lambda: get(f"{dev.url}/api/n") == "4")
        dev.save("4", "5", "helper/numbers.py")
        until(lambda: get(f"{dev.url}/api/n") == "5")


def test_a_start_that_fails_by_the_code_is_tried_again_when_it_is_saved(tmp_path: Path) -> None:
    write(tmp_path, APP.replace("return 1", "return ("))
    with nothing_left() as mark:
        command = [*COMMAND, "dev", "--port", "0"]
        with background(command, cwd=tmp_path, environ=clean_environ() | mark) as server:
            server.wait_for(r"error: Target 'app:app' cannot be imported: SyntaxError: .*app.py:8", 60)
            server.wait_for(r"Waiting for a change\.", 60)
            write(tmp_path, {"notes.txt": "no change of the code", "app.py": APP})
            server.wait_for(r"app\.py changed: starting again", 60)
            assert get(server.wait_for(r"App +(http://\S+)/\n", 60)[1] + "/api/n") == "1"
            assert server.stop() == 0
    assert "Traceback" not in "".join(server.output)


WRONG = {
    "key": ({"fluxlit.toml": "gatway_port = 1\n"}, "unknown setting gatway_port", {"fluxlit.toml": "\n"}),
    "no TOML": ({"fluxlit.toml": "a = = 1\n"}, "not valid TOML", {"fluxlit.toml": "\n"}),
    "variable": ({".env": "FLUXLIT_PORT=1\n"}, "unknown variable FLUXLIT_PORT", {".env": "\n"}),
    "argument": ({"app.py": APP.replace("FluxLit()", "FluxLit(prt=1)")}, "unknown setting prt", {"app.py": APP}),
    "no script": ({"app.py": APP.replace("FluxLit()", "FluxLit(ui='x.py')")}, "there is no file", {"app.py": APP}),
    "lifespan": (
        {"app.py": APP.replace("FluxLit()", "FluxLit(api=__import__('fastapi').FastAPI(lifespan=lambda api: 1 / 0))")},
        "The API did not start: .*ZeroDivisionError",
        {"app.py": APP},
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_start_that_fails_by_a_file_is_tried_again_when_it_is_saved(case: str, tmp_path: Path) -> None:
    files, message, mended = WRONG[case]
    write(tmp_path, {"app.py": APP, **files})
    with nothing_left() as mark:
        command = [*COMMAND, "dev", "--port", "0"]
        with background(command, cwd=tmp_path, environ=clean_environ() | mark) as server:
            server.wait_for(message, 60)
            server.wait_for(r"Waiting for a change\.", 60)
            write(tmp_path, mended)
            server.wait_for("changed: starting again", 60)
            assert get(server.wait_for(r"App +(http://\S+)/\n", 60)[1] + "/api/n") == "1"
            assert server.stop() == 0


@pytest.mark.parametrize(
    ("options", "environ"),
    [(["--workers", "0"], {}), ([], {"FLUXLIT_TRUST_PROXY": "perhaps"})],
    ids=["option", "variable"],
)
def test_a_wrong_setting_in_no_file_ends(options: list[str], environ: dict[str, str], tmp_path: Path) -> None:
    says(fluxlit("dev", *options, directory=write(tmp_path, APP), **environ), 1, "A setting is wrong:")


def test_a_start_that_no_saving_can_help_ends(tmp_path: Path) -> None:
    says(fluxlit("dev", "nowhere:app", directory=tmp_path), 1, "there is no module 'nowhere'")


def test_a_file_that_the_application_writes_reloads_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": APP, ".gitignore": "generated/\n"})
    with development(tmp_path) as dev:
        for number in range(20):
            write(tmp_path, {f"data/{number}.csv": "1,2", "state.json": "{}", "__pycache__/x.py": "", "log.txt": "x"})
            write(tmp_path, {f"generated/client_{number}.py": ""})
        dev.save("return 1", "return 2")
        line = dev.says("changed: ")
        assert line.startswith("app.py changed: ")
        assert "".join(dev.server.output).count("changed: ") == 1


def test_a_folder_with_a_script_and_an_api_is_served(tmp_path: Path) -> None:
    """Neither was written for FluxLit; the port is taken."""
    write(
        tmp_path,
        {
            "pair/app.py": "import streamlit as st\n\nst.title('Home')\n",
            "pair/api.py": "from fastapi import FastAPI\n\nservice = FastAPI()\n\n@service.get('/n')\ndef n():\n"
            "    return 1\n",
        },
    )
    with socket.create_server(("127.0.0.1", 0)) as holder, nothing_left() as mark:
        port = holder.getsockname()[1]
        environ = clean_environ(FLUXLIT_GATEWAY_PORT=str(port)) | mark
        with background([*COMMAND, "dev", "pair"], cwd=tmp_path, environ=environ) as server:
            server.wait_for(rf"Port {port} is in use, so the next free one is taken", 60)
            url = server.wait_for(r"App +(http://\S+)/\n", 60)[1]
            server.wait_for(r"Serves +Streamlit script app\.py, FastAPI application api:service", 60)
            assert "<title>" in get(f"{url}/")
            assert get(f"{url}/api/n") == "1"
            api = tmp_path / "pair" / "api.py"
            api.write_text(api.read_text().replace("return 1", "return 2"))
            until(lambda: get(f"{url}/api/n") == "2")
            assert server.stop() == 0


def test_a_changed_setting_restarts_the_whole(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": APP, "fluxlit.toml": 'api_mount_path = "/api"\n'})
    with development(tmp_path, "--root-path", "/flag") as dev:
        # Wrong settings stop nothing.
        write(tmp_path, {"fluxlit.toml": 'api_mount_path = "api"\n'})
        dev.says(r"error: A setting is wrong:")
        dev.says(r'fluxlit\.toml:1: api_mount_path must start with a slash: write "/api"')
        dev.says("The previous settings stay in use.")
        assert get(f"{dev.url}/api/n") == "1"

        write(tmp_path, {"fluxlit.toml": 'api_mount_path = "/rest"\n'})
        dev.says(r"fluxlit\.toml changed: restarting with the new settings")
        url = dev.server.wait_for(r"(?s)restarting.*App +(http://\S+)/\n", 60)[1]
        assert get(f"{url}/rest/n") == "1"
        assert url.endswith("/flag")


def test_ctrl_c_ends_it_also_while_it_restarts(tmp_path: Path) -> None:
    write(
        tmp_path,
        """
import asyncio
from contextlib import asynccontextmanager
from fastapi import FastAPI
from fluxlit import FluxLit

@asynccontextmanager
async def lifespan(app):
    yield
    print("the API is ending", flush=True)
    await asyncio.sleep(60)

app = FluxLit(api=FastAPI(lifespan=lifespan))
""",
    )
    with (
        nothing_left() as mark,
        background([*COMMAND, "dev", "--port", "0"], cwd=tmp_path, environ=clean_environ() | mark) as server,
    ):
        server.wait_for(r"API +http://", 60)
        write(tmp_path, {"fluxlit.toml": "log_level = 'debug'\n"})
        server.wait_for("the API is ending", 60)
        assert server.stop() == 130
        assert "".join(server.output).count("FluxLit is ready") == 1


def test_a_file_with_settings_that_changes_none_restarts_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": APP, "pyproject.toml": "[tool.fluxlit]\ngateway_port = 0\n"})
    with development(tmp_path) as dev:
        write(tmp_path, {"pyproject.toml": "[tool.fluxlit]\ngateway_port = 0\n[tool.other]\nx = 1\n"})
        dev.save("return 1", "return 2")
        dev.says("app.py changed: ")
        assert "restarting" not in "".join(dev.server.output)


@pytest.mark.parametrize("wanted", [True, False])
def test_the_browser_is_opened_only_if_asked(wanted: bool, tmp_path: Path) -> None:
    write(tmp_path, APP)
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    with development(tmp_path, *(["--open"] if wanted else []), BROWSER=str(browser)) as dev:
        if wanted:
            until((tmp_path / "opened").is_file)
            until(lambda: (tmp_path / "opened").read_text().strip() == f"{dev.url}/")
        else:
            dev.save("return 1", "return 2")
            dev.says("app.py changed: ")
    assert (tmp_path / "opened").is_file() is wanted


def test_it_says_where_other_machines_find_it_and_reloads_quickly(tmp_path: Path) -> None:
    write(tmp_path, APP)
    with development(tmp_path, "--host", "0.0.0.0") as dev:
        if address := own_address("192.0.2.1"):
            network = dev.says(r"Network +http://").split()[-1]
            assert network == f"http://{address}:{dev.url.rpartition(':')[2]}/"
            assert get(f"{network}api/n") == "1"
        dev.save('st.title("Home")', 'st.title("Start")')
        seconds = re.search(r"\((\d+\.\d\d) s\)", dev.says(r"app\.py changed: "))
        assert seconds is not None
        assert float(seconds[1]) < 5
