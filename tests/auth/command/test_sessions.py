"""`fluxlit auth sessions` against running replicas.

What an operator sees, and what ends on their command.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import websockets

from fluxlit.testing import Server, run_server
from fluxlit_auth.command import sessions as command
from fluxlit_auth.command.project_settings import ProjectSettings
from fluxlit_auth.login.login_session import Login, LoginSessionStore
from fluxlit_auth.login.revocation_log import RevocationLog
from fluxlit_auth.login.session_administration import SessionAdministration
from fluxlit_auth.login.stores import open_stores
from fluxlit_cli import main
from tests.sessions.servers import BINARY, RedisServer, running

pytestmark = pytest.mark.slow

ISSUER = "https://login.example"
KEY = "a key of the application that is long enough to be one"
LOGIN = {"FLUXLIT_OIDC_ISSUER": ISSUER, "FLUXLIT_OIDC_CLIENT_ID": "portal", "FLUXLIT_OIDC_CLIENT_SECRET": "unused"}

PORTAL = """
    from fastapi import WebSocket
    from fluxlit import CurrentUser, FluxLit
    from fluxlit_auth import OIDC

    app = FluxLit(auth=OIDC.from_settings())

    @app.api.get("/me")
    def me(user: CurrentUser) -> str:
        return user.subject

    @app.api.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("open")
        await socket.receive_text()
"""


@dataclass
class Scene:
    """Two replicas, and an operator beside them."""

    folder: Path
    store: str
    replicas: tuple[Server, Server]

    def log_in(self, subject: str, *, key: str | None = KEY, **facts: Any) -> str:
        """Open a login session; return the ticket for the cookie."""
        settings = replace(self.effective(), secret_key=(key,) if key else ())

        async def open_one() -> str:
            stores = open_stores(settings)
            sessions = LoginSessionStore(stores, RevocationLog(stores.shared, settings.login_absolute_timeout_s))
            opened = await sessions.open(Login(**{"issuer": ISSUER, "subject": subject, **facts}))
            await stores.close()
            return opened.ticket

        return asyncio.run(open_one())

    def command(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """The command as an operator starts it."""
        known = {name: value for name, value in os.environ.items() if not name.startswith("FLUXLIT_")}
        return subprocess.run(
            [sys.executable, "-W", "error", "-m", "fluxlit_cli", "auth", "sessions", *arguments],
            cwd=self.folder,
            env={**known, "FLUXLIT_SESSION_STORE": self.store, "FLUXLIT_SECRET_KEY": KEY, **LOGIN, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def end_all(self) -> None:
        async def end() -> None:
            administration = SessionAdministration(self.effective())
            await administration.end([each.handle for each in await administration.entries()], "the test is over")
            await administration.close()

        asyncio.run(end())

    def effective(self, store: str | None = None) -> ProjectSettings:
        return ProjectSettings(store or self.store, (KEY,), 3600.0, 86400.0, ISSUER)


@dataclass
class Done:
    """What a command has answered."""

    returncode: int
    stdout: str
    stderr: str


class Operator:
    """Gives commands in this process, where the settings are known already.

    That saves seconds each time.
    """

    def __init__(self, scene: Scene, capture: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capture = capture
        monkeypatch.setattr(command, "read_project_settings", lambda _target, store: scene.effective(store))
        monkeypatch.setattr(sys, "stdin", io.StringIO())

    def __call__(self, *arguments: str) -> Done:
        self._capture.readouterr()
        code = main.run(["auth", "sessions", *arguments])
        answer = self._capture.readouterr()
        return Done(code, answer.out, answer.err)

    def listed(self, *arguments: str) -> list[dict[str, str]]:
        done = self("list", "--json", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        sessions: list[dict[str, str]] = json.loads(done.stdout)["sessions"]
        return sessions

    def users(self, *arguments: str) -> list[str]:
        return [each["user"] for each in self.listed(*arguments)]


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("portal")
    (folder / "app.py").write_text(dedent(PORTAL))
    if request.param == "sqlite":
        with serving(folder, f"sqlite:///{folder / 's.db'}") as found:
            yield found
        return
    if BINARY is None:
        pytest.skip("needs redis-server")
    place = Path(tempfile.mkdtemp(prefix="flx"))
    with running(RedisServer(place / "logins")) as redis, serving(folder, redis.url) as found:
        yield found
    shutil.rmtree(place)


@contextlib.contextmanager
def serving(folder: Path, store: str) -> Iterator[Scene]:
    """Two replicas with one store."""

    def replica() -> contextlib.AbstractContextManager[Server]:
        return run_server("app:app", folder, environment=LOGIN, session_store=store, secret_key=KEY)

    with replica() as one, replica() as two:
        yield Scene(folder, store, (one, two))


@pytest.fixture
def operator(scene: Scene, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    yield Operator(scene, capsys, monkeypatch)
    scene.end_all()


def cookie(server: Server, ticket: str) -> dict[str, str]:
    return {"cookie": f"fluxlit-dev-{urlsplit(server.url).port}-session={ticket}"}


async def opened(server: Server, ticket: str) -> websockets.ClientConnection:
    url = f"{server.api_url.replace('http', 'ws', 1)}/ws"
    socket = await websockets.connect(url, additional_headers=cookie(server, ticket), proxy=None, open_timeout=60)
    assert await socket.recv() == "open"
    return socket


def test_a_revoked_user_is_out_on_every_replica_within_a_second(scene: Scene, operator: Operator) -> None:
    """ASVS 5.0, 7.4.1, 7.4.2 and 7.4.5."""
    ada, bob = scene.log_in("ada"), scene.log_in("bob")
    for server in scene.replicas:
        assert httpx.get(f"{server.api_url}/me", headers=cookie(server, ada), timeout=60).json() == "ada"

    async def story() -> tuple[list[int | None], float]:
        hers = [await opened(server, ada) for server in scene.replicas]
        his = await opened(scene.replicas[0], bob)
        done = await asyncio.to_thread(scene.command, "revoke", "--user", "ada", "--yes")
        ended = time.monotonic()
        assert (done.returncode, done.stdout) == (0, "1 login revoked\n"), done.stderr
        async with asyncio.timeout(60):
            for socket in hers:
                await socket.wait_closed()
        seconds = time.monotonic() - ended
        assert his.close_code is None
        await his.close()
        return [socket.close_code for socket in hers], seconds

    codes, seconds = asyncio.run(story())
    assert codes == [1008, 1008]
    assert seconds < 10  # a second, and what a busy machine adds
    for server in scene.replicas:
        assert httpx.get(f"{server.api_url}/me", headers=cookie(server, ada), timeout=60).status_code == 401
        assert httpx.get(f"{server.api_url}/me", headers=cookie(server, bob), timeout=60).json() == "bob"
    assert operator.users() == ["bob"]


def test_what_is_listed_opens_nothing_and_says_who_where_and_when(scene: Scene, operator: Operator) -> None:
    ticket = scene.log_in("ada", email="ada@example.org", refresh_token="rt-secret", id_token="it-secret")
    scene.log_in("carol", issuer="https://other.example")
    text = operator("list")
    assert text.returncode == 0
    head, *lines = text.stdout.splitlines()
    assert head.split() == ["handle", "user", "since", "last", "use", "ends", "provider"]
    assert [(line.split()[1], line.split()[-1]) for line in lines] == [
        ("ada", ISSUER),
        ("carol", "https://other.example"),
    ]
    found = operator.listed("--issuer", ISSUER)
    assert [set(each) for each in found] == [{"handle", "user", "issuer", "since", "last_use", "ends", "readable"}]
    shown = text.stdout + text.stderr + json.dumps(found)
    assert not [part for part in (*ticket.split("."), "rt-secret", "it-secret", KEY) if part in shown]


def test_a_login_is_ended_by_its_handle_also_shortened(scene: Scene, operator: Operator) -> None:
    for user in ("ada", "bob", "carol"):
        scene.log_in(user)
    first, second, third = (each["handle"] for each in operator.listed())
    assert operator("revoke", "--handle", first[:12], "--handle", second, "--yes").returncode == 0
    assert [each["handle"] for each in operator.listed()] == [third]
    for wrong in ("f" * 66, third[:4], "../x"):
        done = operator("revoke", "--handle", wrong, "--yes")
        assert (done.returncode, done.stdout) == (1, "")
        assert "--handle" in done.stderr
    assert len(operator.listed()) == 1


def test_all_logins_are_ended_at_once_and_json_says_which(scene: Scene, operator: Operator) -> None:
    for user in ("ada", "bob"):
        scene.log_in(user)
    done = operator("revoke", "--all", "--yes", "--json")
    assert [each["user"] for each in json.loads(done.stdout)["revoked"]] == ["ada", "bob"]
    assert operator.users() == []
    again = operator("revoke", "--all", "--yes", "--json")
    assert (again.returncode, json.loads(again.stdout)) == (1, {"error": "There is no such login."})


@pytest.mark.parametrize(
    "arguments",
    [["revoke"], ["revoke", "--yes"], ["revoke", "--all", "--user", "ada", "--yes"], ["revoke", "--all"]],
    ids=" ".join,
)
def test_nothing_ends_that_was_not_named_and_confirmed(scene: Scene, operator: Operator, arguments: list[str]) -> None:
    scene.log_in("ada")
    done = operator(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--yes" in done.stderr or "--user" in done.stderr
    assert "Traceback" not in done.stderr
    assert operator.users() == ["ada"]


class Terminal(io.StringIO):
    """A person at a keyboard."""

    def isatty(self) -> bool:
        return True


def test_a_person_is_asked_and_may_say_no(scene: Scene, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.log_in("ada")
    for answer, code, left in (("n\n", 1, ["ada"]), ("", 1, ["ada"]), ("y\n", 0, [])):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        done = operator("revoke", "--user", "ada")
        assert (done.returncode, operator.users()) == (code, left)
        assert "Revoke 1 login?" in done.stderr
        assert "ada" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_name_with_control_characters_does_not_reach_the_terminal(scene: Scene, operator: Operator) -> None:
    scene.log_in("eve\x1b[2J\nroot")
    assert "\x1b" not in operator("list").stdout
    assert "eve?[2J?root" in operator("list").stdout


def test_a_very_long_name_is_found_by_user_and_issuer(scene: Scene, operator: Operator) -> None:
    scene.log_in("x" * 400)
    assert operator.users("--user", "x" * 400) == []
    assert len(operator.users("--user", "x" * 400, "--issuer", ISSUER)) == 1


@pytest.mark.parametrize(
    ("store", "says"),
    [
        ("memory://", "memory of the server process"),
        ("sqlite:////nowhere/s.db", "There is no session store /nowhere/s.db"),
        ("gopher://x", "no session store for this URL"),
        ("redis://127.0.0.1:1", "unavailable"),
    ],
)
def test_a_store_that_cannot_be_looked_into(scene: Scene, operator: Operator, store: str, says: str) -> None:
    done = operator("list", "--store", store)
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_unreadable_records_are_listed_and_can_be_revoked(scene: Scene, operator: Operator) -> None:
    """ASVS 5.0, 7.4.5.

    One record under a former key, or without encryption, hides no other.
    """
    scene.log_in("ada", key="o" * 40)
    scene.log_in("bob", key=None)
    scene.log_in("mallory")
    found = operator.listed()
    assert sorted((each["user"], bool(each["readable"])) for each in found) == [
        ("", False),
        ("", False),
        ("mallory", True),
    ]
    assert operator("list").stdout.count("(unreadable)") == 2
    assert operator.users("--user", "mallory") == ["mallory"]
    assert operator("revoke", "--user", "mallory", "--yes").returncode == 0
    unreadable = [each["handle"] for each in operator.listed()]
    assert len(unreadable) == 2
    assert operator("revoke", "--handle", unreadable[0][:12], "--yes").returncode == 0
    assert [each["handle"] for each in operator.listed()] == [unreadable[1]]
    assert operator("revoke", "--all", "--yes").stdout == "1 login revoked\n"
    assert operator.listed() == []
