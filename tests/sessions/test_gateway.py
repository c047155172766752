"""Stores and sessions in the gateway: settings, injection, redaction."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Annotated, Any

import anyio
import pytest

import fluxlit_sessions
from fluxlit import Depends, FluxLit, FluxLitError, PageError, Settings, SettingsError, sessions
from fluxlit.observability.logs import redact
from fluxlit.observability.logs.redaction import hide_parameter
from fluxlit.server.runtime import Runtime
from fluxlit.settings import resolve
from fluxlit_sessions import SQLiteSessionStore

pytestmark = pytest.mark.anyio

KEY = "k" * 40


def problem(directory: Path, **variables: str) -> str:
    with pytest.raises(SettingsError) as caught:
        resolve(environ={f"FLUXLIT_{name}": value for name, value in variables.items()}, directory=directory)
    return str(caught.value)


def test_a_store_is_named_by_a_url(tmp_path: Path) -> None:
    message = problem(tmp_path, SESSION_STORE="swordfish@redis")
    assert "FLUXLIT_SESSION_STORE: session_store must be a URL such as" in message
    assert "swordfish" not in message


def test_a_key_is_long_and_never_shown(tmp_path: Path) -> None:
    assert "at least 32 random characters" in problem(tmp_path, SECRET_KEY="swordfish")
    assert "swordfish" not in problem(tmp_path, SECRET_KEY="swordfish")
    (tmp_path / "fluxlit.toml").write_text("secret_key = [123454321]\n")
    assert "123454321" not in problem(tmp_path)
    settings = Settings(secret_key=(KEY,), session_store="redis://ada:swordfish@redis")
    assert KEY not in repr(settings)
    assert "swordfish" not in repr(settings)


@pytest.mark.parametrize("name", ["", "a b", "a&b", "embed", "Embed_Options", "ä"])
def test_the_parameter_has_a_name_that_a_url_can_hold(name: str) -> None:
    with pytest.raises(ValueError, match="characters"):
        Settings(url_session_query_param=name)


def test_the_memory_of_one_process_does_not_do_for_several(tmp_path: Path) -> None:
    message = problem(tmp_path, SESSION_STORE="memory://", STREAMLIT_WORKERS="2")
    assert "session_store keeps sessions in the memory of one process" in message


async def test_the_store_is_opened_by_its_scheme_with_the_keys_and_closed_at_the_end(tmp_path: Path) -> None:
    settings = Settings(session_store=f"sqlite:///{tmp_path}/s.db", secret_key=(KEY,))
    async with sessions.opened(settings):
        store = sessions.session_store()
        assert isinstance(store, SQLiteSessionStore)
        created = store.create({"swordfish": 1})
        assert sessions.session_store() is store
    assert b"swordfish" not in (tmp_path / "s.db").read_bytes()
    with SQLiteSessionStore(tmp_path / "s.db", keys=[KEY]) as again:
        found = again.read(created.id)
        assert found is not None
        assert found.data == {"swordfish": 1}
    with pytest.raises(FluxLitError, match="FLUXLIT_SESSION_STORE"):
        sessions.session_store()


def first_warning(caplog: pytest.LogCaptureFixture) -> str:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for each in caplog.records:
            if each.name == "fluxlit_sessions":
                return each.getMessage()
        time.sleep(0.02)
    raise AssertionError("nothing was said")


async def test_an_unreachable_store_is_logged_at_the_start_and_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # Taken, so that no other process gets it, and not listened on.
        url = f"redis://:swordfish@127.0.0.1:{deaf.getsockname()[1]}"
        async with sessions.opened(Settings(session_store=url, secret_key=(KEY,))):
            logged = await anyio.to_thread.run_sync(first_warning, caplog)

    assert re.fullmatch(r"session store redis://127\.0\.0\.1:\d+ is unavailable: ConnectionError: .*refused\.", logged)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mongo://x", "no installed package has a store for mongo://"),
        ("sqlite:///", "sqlite:///relative/path.db"),
        ("memory://?idle_ttl=x", "idle_ttl"),
    ],
)
async def test_a_store_that_cannot_be_opened_stops_the_start(url: str, reason: str) -> None:
    with pytest.raises(FluxLitError, match=reason):
        async with sessions.opened(Settings(session_store=url)):
            pass


def test_a_page_that_asks_for_its_session_needs_a_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    app = FluxLit()

    def cart(session: Any) -> Any:
        return session

    @app.page("/")
    def home(st: Any, cart: Annotated[Any, Depends(cart)]) -> None: ...

    with pytest.raises(PageError, match=r"page '/' asks for its session, but .* FLUXLIT_SESSION_STORE"):
        Runtime(app)
    assert Runtime(app, flags={"session_store": "memory://"}).settings.session_store == "memory://"


def test_pages_ask_by_name_or_by_annotation() -> None:
    app = FluxLit()

    @app.page("/")
    def by_name(st: Any, session) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    @app.page("/mapping")
    def by_name_with_type(st: Any, session: MutableMapping[str, Any]) -> None: ...

    @app.page("/annotation")
    def by_annotation(mine: fluxlit_sessions.UrlSession) -> None: ...

    @app.page("/store")
    def store(store: sessions.SessionStore, same: fluxlit_sessions.SessionStore) -> None: ...

    plans = [record.plan for record in app.pages]
    assert [plan is not None and plan.calls(sessions.page_session) for plan in plans] == [True, True, True, False]


def test_a_parameter_named_session_may_be_something_else() -> None:
    app = FluxLit()

    class Database: ...

    def database() -> Database:
        return Database()

    @app.page("/")
    def home(session: Annotated[Database, Depends(database)]) -> None: ...

    @app.page("/default")
    def default(session: Any = None) -> None: ...

    with pytest.raises(PageError, match="which nothing can fill"):

        @app.page("/foreign")
        def foreign(session: Database) -> None: ...

    plans = [record.plan for record in app.pages]
    assert [plan is not None and plan.calls(sessions.page_session) for plan in plans] == [False, False]


def test_ids_are_hidden_under_any_name_of_the_parameter() -> None:
    assert redact("GET /?fluxlit_sid=abc&page=2") == "GET /?fluxlit_sid=***&page=2"
    assert redact("GET /?visit=abc") == "GET /?visit=abc"
    hide_parameter("visit")
    assert redact("GET /?visit=abc&page=2 https://x/?a=1&visit=abc#x") == (
        "GET /?visit=***&page=2 https://x/?a=1&visit=***#x"
    )


def test_the_name_in_the_settings_is_the_one_that_is_hidden() -> None:
    program = """
import logging
from fluxlit.observability.logs import configure
from fluxlit.settings import Settings
configure(Settings(url_session_query_param="visitor2"))
logging.getLogger("shop").warning("/?visitor2=abc")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert "/?visitor2=***" in done.stderr


def test_pages_without_fluxlit_sessions_name_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "entry_points", lambda **_: ())
    monkeypatch.setattr(sessions, "_process", sessions._Process())
    with pytest.raises(FluxLitError, match="pip install"):
        next(sessions.page_session(None, Settings()))


@pytest.mark.parametrize("password", ["p", "p/w", "p?w", "p#?w", "[p]w", "p@w?"])
@pytest.mark.parametrize("options", ["", "?timeout=1", "?namespace=shop&idle_ttl=5"])
def test_a_store_beside_that_of_the_process_takes_any_password(password: str, options: str) -> None:
    url = f"redis://ada:{password}@cache:6380/1{options}"
    store: Any = sessions.open_store(Settings(session_store=url), room="files", idle_ttl=60.0)
    assert store.location == "redis://cache:6380/1"
    store.close()
