"""Logging as processes really have it.

Ours under `fluxlit run`, another one under uvicorn.
"""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.processes import background, clean_environ
from tests.support.waiting import until

EVERYBODY = """
    for name in ("fluxlit.gateway", "uvicorn.error", "fastapi", "myapp"):
        logging.getLogger(name).warning("from %s?code=xyz", name)
    logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', "1.2.3.4:5", "GET", "/?code=xyz", "1.1", 200)
    logging.getLogger("httpx").info("chatter")
"""


def lines_of(program: str, **environ: str) -> list[str]:
    """Run a program and return what it wrote to standard error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        env=clean_environ(**environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def ours(settings: str = "", before: str = "", after: str = "") -> str:
    return "\n".join(
        [
            "import logging, logging.config",
            "from fluxlit.observability.logs import configure",
            "from fluxlit.settings import Settings",
            textwrap.dedent(before),
            f"configure(Settings({settings}))",
            textwrap.dedent(EVERYBODY),
            textwrap.dedent(after),
        ]
    )


def test_every_logger_writes_each_line_once_and_without_secrets() -> None:
    lines = lines_of(ours())
    assert [line.split("  ")[-1].strip() for line in lines] == [
        "from fluxlit.gateway?code=***",
        "from uvicorn.error?code=***",
        "from fastapi?code=***",
        "from myapp?code=***",
        '1.2.3.4:5 - "GET /?code=*** HTTP/1.1" 200',
    ]


def test_all_lines_are_json_if_asked() -> None:
    found = [json.loads(line) for line in lines_of(ours("log_format='json'"))]
    assert [each["logger"] for each in found] == [
        "fluxlit.gateway",
        "uvicorn.error",
        "fastapi",
        "myapp",
        "uvicorn.access",
    ]
    assert found[-1]["path"] == "/?code=***"


def test_the_level_holds_for_all() -> None:
    assert len(lines_of(ours("log_level='warning'"))) == 4
    assert lines_of(ours("log_level='error'")) == []


@pytest.mark.parametrize("level", ["info", "debug"])
def test_libraries_do_not_chatter_at_any_level(level: str) -> None:
    assert not any("chatter" in line for line in lines_of(ours(f"log_level={level!r}")))


@pytest.mark.parametrize(("level", "count"), [("info", 0), ("debug", 1)])
def test_uvicorn_tells_about_its_servers_only_when_debugging(level: str, count: int) -> None:
    server = """
        import asyncio, uvicorn
        server = uvicorn.Server(uvicorn.Config(lambda: None, lifespan="off", log_config=None, port=0))
        server.should_exit = True
        asyncio.run(server.serve())
    """
    assert any("Started" in line for line in lines_of(ours(f"log_level={level!r}", after=server))) == bool(count)


@pytest.mark.parametrize(("level", "count"), [("info", 0), ("debug", 1)])
def test_each_websocket_is_news_only_when_debugging(level: str, count: int) -> None:
    """uvicorn gives its logger to the library of WebSockets."""
    after = """
        from websockets.datastructures import Headers
        from websockets.http11 import Request
        from websockets.server import ServerProtocol
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        asked = {"Host": "a", "Upgrade": "websocket", "Connection": "Upgrade"}
        asked |= {"Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13"}
        server = ServerProtocol(logger=logging.getLogger("uvicorn.error"))
        server.send_response(server.accept(Request("/", Headers(asked))))
    """
    assert sum("connection open" in line for line in lines_of(ours(f"log_level={level!r}", after=after))) == count


@pytest.mark.parametrize("name", ["uvicorn", "uvicorn.error"])
def test_an_application_may_log_with_the_loggers_of_uvicorn(name: str) -> None:
    """As many FastAPI applications do; uvicorn shows these lines."""
    after = f"logging.getLogger({name!r}).info('sold 3')"
    assert sum("sold 3" in line for line in lines_of(ours(after=after))) == 1


def test_private_servers_are_no_news_under_uvicorn(tmp_path: Path) -> None:
    """Its own server is: programs wait for its line."""
    before = "import uvicorn.config; logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)"
    after = f"""
        import asyncio, pathlib, uvicorn
        from fluxlit.server.sockets.internal_server import PrivateServer
        from fluxlit.server.sockets.listeners import bind_file
        async def run():
            private = PrivateServer(None, [bind_file(pathlib.Path({str(tmp_path)!r}, "a.sock"), 0o600)])
            await private.start()
            await private.stop()
            public = uvicorn.Server(uvicorn.Config(print, lifespan="off", log_config=None, port=0, interface="asgi3"))
            public.should_exit = True
            await public.serve()
        asyncio.run(run())
    """
    lines = lines_of(ours(before=before, after=after))
    assert sum("Started server process" in line for line in lines) == 1


def test_configuring_after_uvicorn_writes_no_line_twice() -> None:
    after = "import uvicorn.config; logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)"
    assert len(lines_of(ours(before=after))) == 4, "and its access line is on standard output, where it writes it"


def test_a_pipe_gets_no_colours() -> None:
    assert not any("\x1b" in line for line in lines_of(ours()))


APP = """
    import logging
    from fluxlit.observability.logs import configure
    from fluxlit.settings import Settings

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            configure(Settings(log_format={log_format!r}), of_uvicorn=False)
            configure(Settings(log_format={log_format!r}), of_uvicorn=False)
            logging.getLogger("fluxlit.gateway").info("hello?code=xyz")
            logging.getLogger("shop").info("sold?code=xyz")
            logging.getLogger("httpx").info("chatter")
            logging.getLogger("uvicorn.error").info("dialled redis://:xyz@host")
            await send({{"type": "lifespan.startup.complete"}})
            await receive()
            await send({{"type": "lifespan.shutdown.complete"}})
            return
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        await send({{"type": "http.response.body", "body": b""}})
"""

CLIENT = "import urllib.request, sys; urllib.request.urlopen(sys.argv[1]).read()"


def under_uvicorn(directory: Path, log_format: str, *options: str) -> list[str]:
    (directory / "app.py").write_text(textwrap.dedent(APP.format(log_format=log_format)))
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", "0", *options]
    with background(command, cwd=directory, environ=clean_environ(PYTHONUNBUFFERED="1")) as server:
        url = server.wait_for(r"http://127\.0\.0\.1:\d+", 60)[0]
        subprocess.run([sys.executable, "-c", CLIENT, f"{url}/?token=xyz&x=xyz&xyz"], check=True, timeout=60)
        server.wait_for(r"token=", 60)
        server.stop()
    return "".join(server.output).splitlines()


def test_under_uvicorn_its_own_look_stays_and_ours_is_added_once(tmp_path: Path) -> None:
    lines = under_uvicorn(tmp_path, "text")
    text = "\n".join(lines)
    assert "xyz" not in text
    assert text.count("hello?code=***") == 1
    assert text.count("redis://:***@host") == 1
    (access,) = [line for line in lines if "GET" in line]
    assert access.startswith("INFO:     127.0.0.1:")
    assert '"GET /?token=***&x=***&*** HTTP/1.1" 200 OK' in access
    assert text.count("sold?code=***") == 1, "no other handler would show what the application logs"
    assert "chatter" not in text


def test_under_uvicorn_json_holds_for_its_lines_too(tmp_path: Path) -> None:
    lines = under_uvicorn(tmp_path, "json")
    after = [line for line in lines if line.startswith("{")]
    assert {json.loads(line)["logger"] for line in after} == {
        "fluxlit.gateway",
        "shop",
        "uvicorn.error",
        "uvicorn.access",
    }
    assert [line for line in lines if "sold" in line and not line.startswith("{")] == []
    assert "xyz" not in "\n".join(lines)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_configuration_that_the_user_wrote_is_kept(log_format: str, tmp_path: Path) -> None:
    config = {
        "version": 1,
        "formatters": {"own": {"format": "OWN %(name)s %(message)s"}},
        "handlers": {"own": {"class": "logging.StreamHandler", "formatter": "own"}},
        "root": {"handlers": ["own"], "level": "INFO"},
        "loggers": {"uvicorn": {"level": "INFO"}},
    }
    (tmp_path / "log.json").write_text(json.dumps(config))
    lines = under_uvicorn(tmp_path, log_format, "--log-config", "log.json")
    assert lines.count("OWN fluxlit.gateway hello?code=***") == 1
    assert all(line.startswith("OWN ") for line in lines)
    assert "xyz" not in "\n".join(lines)


def test_lines_of_uvicorn_go_where_the_user_wrote(tmp_path: Path) -> None:
    """As without FluxLit; lines of FluxLit appear on the terminal too."""
    config = {
        "version": 1,
        "handlers": {"file": {"class": "logging.FileHandler", "filename": "all.log"}},
        "root": {"handlers": ["file"], "level": "INFO"},
    }
    (tmp_path / "log.json").write_text(json.dumps(config))
    (tmp_path / "app.py").write_text(textwrap.dedent(APP.format(log_format="text")))
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", "0", "--log-config", "log.json"]
    with background(command, cwd=tmp_path, environ=clean_environ()) as server:
        log = tmp_path / "all.log"
        until(lambda: log.exists() and "Uvicorn running" in log.read_text())
        server.stop()
    lines = "".join(server.output).splitlines()
    assert [line for line in lines if "hello?code=***" not in line] == []
    written = log.read_text()
    assert [words for words in ("hello?code=***", "sold?", "dialled") if words not in written] == []


KEPT = """
    import logging.handlers

    class Telemetry(logging.Handler):
        closed = False
        def emit(self, record): print("TELEMETRY", record.getMessage(), flush=True)
        def close(self): print("CLOSED", flush=True)

    logging.getLogger().addHandler(Telemetry())
    audit = logging.getLogger("audit")
    audit.addHandler(logging.FileHandler("audit.log", mode="w"))
    audit.addHandler(logging.handlers.MemoryHandler(1, target=logging.FileHandler("memory.log")))
"""


def run(directory: Path, program: str) -> tuple[list[str], list[str]]:
    """Run a program in a folder.

    Return the lines of its output and of its errors.
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        cwd=directory,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr.splitlines()


def test_handlers_of_the_application_are_neither_removed_nor_closed(tmp_path: Path) -> None:
    """A handler on the root logger, and an audit file on a named one.

    As OpenTelemetry, Azure Monitor or watchtower add it.
    """
    after = """
        import os
        logging.getLogger("audit").warning("deleted 3")
        logging.getLogger("fluxlit.x").warning("ours")
        os._exit(0)
    """
    out, errors = run(tmp_path, ours(before=KEPT, after=after))
    assert "CLOSED" not in out
    assert {"TELEMETRY from myapp?code=***", "TELEMETRY ours", "TELEMETRY deleted 3"} <= set(out)
    assert [line for line in errors if "ours" in line] != [], "the terminal has our lines as well"
    assert (tmp_path / "audit.log").read_text() == (tmp_path / "memory.log").read_text() == "deleted 3\n"


@pytest.mark.parametrize("when", ["before", "after"])
def test_basic_config_of_the_application_works_whenever_it_is_called(when: str, tmp_path: Path) -> None:
    """On import of the application, and in its lifespan or a request."""
    call = 'logging.basicConfig(filename="own.log", level=logging.DEBUG, format="%(name)s %(message)s")'
    last = 'logging.getLogger("myapp").debug("a line")\nlogging.getLogger("fluxlit.x").info("ours")'
    program = ours(before=call, after=last) if when == "before" else ours(after=f"{call}\n{last}")
    _, errors = run(tmp_path, program)
    assert {"myapp a line", "fluxlit.x ours"} <= set((tmp_path / "own.log").read_text().splitlines())
    assert not any("a line" in line for line in errors), "as without FluxLit: what it configured holds"
    assert sum("ours" in line for line in errors) == 1


def test_what_the_application_writes_to_the_terminal_is_not_written_twice(tmp_path: Path) -> None:
    program = ours(before='logging.basicConfig(level="INFO", format="OWN %(name)s %(message)s")')
    _, errors = run(tmp_path, program)
    assert len(errors) == 6, "httpx too: its level is the application's"
    assert all(line.startswith("OWN ") for line in errors)


def test_loggers_that_the_application_disables_in_passing_are_enabled_again(tmp_path: Path) -> None:
    """`disable_existing_loggers` is true by default.

    The security log is ours.
    """
    disabled = 'logging.getLogger("fluxlit.security"); logging.config.dictConfig({"version": 1})'
    program = ours(before=disabled, after='logging.getLogger("fluxlit.security").info("refused")')
    _, errors = run(tmp_path, program)
    assert any("refused" in line for line in errors)
