"""Every check passes a healthy project and finds its fault."""

from __future__ import annotations

import contextlib
import email.utils
import http.server
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from fluxlit import sessions
from fluxlit_cli.doctor import network
from fluxlit_cli.doctor.network import metadata_problem
from fluxlit_cli.doctor.registry import BUILT_IN
from fluxlit_cli.finding import Finding, Status, passed
from fluxlit_sessions import SessionStore
from tests.cli.doctor.patient import Patient
from tests.support.processes import ROOT

Illness = Callable[[Patient], Any]

LOGIN = "\nfrom fluxlit_auth import OIDC\nvars(app)['authenticators'] = ({},)\n"
ROLES = "\n@app.page('/vault', roles={'admin'})\ndef vault(st): ...\n"


class Installed(metadata.Distribution):
    """A distribution that exists only here."""

    def __init__(self, name: str, version: str, requires: tuple[str, ...] = (), packages: tuple[str, ...] = ()) -> None:
        self._text = "".join(
            [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", *(f"Requires-Dist: {r}\n" for r in requires)]
        )
        self._packages = packages

    def read_text(self, filename: str) -> str | None:
        record = "".join(f"{package}/__init__.py,,\n" for package in self._packages)
        return {"METADATA": self._text, "RECORD": record}.get(filename)

    def locate_file(self, path: Any) -> Any:
        return Path("/nowhere") / path


def installed(*more: Installed) -> Illness:
    # What comes first is what is imported, also where the real thing of this name is installed too.
    return lambda patient: patient.on(distributions=lambda: [*more, *metadata.distributions()])


def instead(*only: Installed) -> Illness:
    return lambda patient: patient.on(distributions=lambda: list(only))


def pure_python(patient: Patient) -> None:
    patient.environ(PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION="python")


def another_origin(patient: Patient) -> None:
    """A module of the same name is found first."""
    patient.files({"elsewhere/app.py": (patient.folder / "app.py").read_text()})
    patient.monkeypatch.setattr(sys, "path", [str(patient.folder / "elsewhere"), str(patient.folder), *sys.path])


def mount(patient: Patient) -> None:
    """The API is mounted where a page is."""
    patient.code('\n@app.page("/rest")\ndef rest(st): ...\n').flag(api_mount_path="/rest")


ROOTED = """
from fluxlit import FluxLit
app = FluxLit(ui="ui.py")
@app.api.get("/")
def root(): ...
"""


def hidden_page(patient: Patient) -> None:
    """A page of a script is where the API has a route."""
    patient.files({"app.py": ROOTED, "ui.py": "import streamlit as st", "pages/1_rest.py": ""})
    patient.flag(api_mount_path="/rest")


def endless_clock(patient: Patient) -> None:
    patient.on(now=lambda: 0.0)


def no_temp(patient: Patient) -> None:
    patient.on(temp=lambda: str(patient.folder / "no-such-folder"))


def no_home(patient: Patient) -> None:
    def home() -> Path:
        raise RuntimeError("unknown")

    patient.on(home=home)


def secrets_for_all(patient: Patient) -> None:
    patient.files({".streamlit/secrets.toml": "a = 1"})
    (patient.folder / ".streamlit" / "secrets.toml").chmod(0o644)


def secrets_to_change(patient: Patient) -> None:
    patient.files({".env": ""})
    (patient.folder / ".env").chmod(0o666)


def busy_port(patient: Patient) -> None:
    listener = patient.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    patient.flag(gateway_port=listener.getsockname()[1])


def no_right(patient: Patient) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    patient.monkeypatch.setattr(network, "_listen", refuse)
    patient.flag(gateway_port="80")


def broken_front_end(patient: Patient) -> None:
    patient.on(package=lambda _: patient.folder)


def store(url: str) -> Illness:
    return lambda patient: patient.flag(session_store=url)


def no_encoding(patient: Patient) -> None:
    patient.on(encoding="ascii")


W, F = Status.WARN, Status.FAIL
KEY = "9t3wYx0Jd5m2Qe8vKc7zLb1nUa4sGf6h"

# check, how bad, what is said, how to get ill
ILLNESSES: list[tuple[str, Status, str, Illness]] = [
    ("python-version", F, "Python 3.10.4 is too old", lambda p: p.on(python=(3, 10, 4))),
    ("python-version", W, "untested on Python 3.99.0", lambda p: p.on(python=(3, 99, 0))),
    ("platform", W, "not on Windows", lambda p: p.on(system="Windows")),
    ("dependencies", F, "fluxlit-cli needs typer>=0.20, but 0.1 is installed",
     instead(Installed("fluxlit-cli", "1.0", ("typer>=0.20",)), Installed("typer", "0.1"))),
    ("dependencies", F, "fluxlit-cli needs typer, which is not installed",
     instead(Installed("fluxlit-cli", "1.0", ("typer>=0.20", 'nothing; extra == "x"')))),
    ("fluxlit-versions", F, "fluxlit-cli needs fluxlit-gateway<2,>=1.0, but 2.0 is installed",
     instead(Installed("fluxlit-cli", "1.1.0", ("fluxlit-gateway>=1.0,<2",)), Installed("fluxlit-gateway", "2.0"))),
    ("tested-versions", W, "uvicorn 0.99.0 (tested: 0.53 to 0.54)", instead(Installed("uvicorn", "0.99.0"))),
    ("known-bad-versions", F, "an unrelated distribution", installed(Installed("fluxlit", "0.13.2"))),
    ("known-bad-versions", F, "nightly", installed(Installed("streamlit-nightly", "1.99"))),
    ("known-bad-versions", F, "called multipart",
     instead(Installed("multipart", "1.2"), Installed("python_multipart", "0.0.9"))),
    ("import-owners", F, "streamlit is installed by other and streamlit",
     installed(Installed("other", "1", packages=("streamlit",)))),
    ("protobuf-speed", W, "pure Python", pure_python),
    ("target-import", F, "there is no module 'nowhere'", lambda p: setattr(p, "target", "nowhere:app")),
    ("target-import", F, "ZeroDivisionError", lambda p: p.code("\n1 / 0\n")),
    ("target-import", F, "it calls sys.exit", lambda p: p.code("\nraise SystemExit(3)\n")),
    ("target-origin", F, "was imported from", another_origin),
    ("import-time", W, "every worker imports it again", lambda p: p.code("\nimport time; time.sleep(3.1)\n")),
    ("import-shadowing", F, "hides the installed package streamlit", lambda p: p.files({"streamlit.py": ""})),
    ("import-shadowing", W, "hides Python's module calendar", lambda p: p.files({"calendar/__init__.py": ""})),
    ("ui-present", W, "no pages and no script",
     lambda p: p.files({"app.py": "from fluxlit import FluxLit\napp = FluxLit()"})),
    ("ui-present", F, "page.py:1 cannot be run",
     lambda p: p.files({"page.py": "def ("}).code('\napp.page("/p", script="page.py")\n')),
    ("pages-valid", F, "/rest", mount),
    ("pages-valid", W, "the page /rest (pages/1_rest.py) opens by a click only", hidden_page),
    ("pages-valid", F, "asks for its session", lambda p: p.code('\n@app.page("/s")\ndef s(session): ...\n')),
    ("page-titles", W, "the title 'Home'", lambda p: p.code('\n@app.page("/s", title="Home")\ndef s(st): ...\n')),
    ("openapi", F, "document cannot be generated",
     lambda p: p.code("\n@app.api.get('/x', openapi_extra={1: app})\ndef x(): ...\napp.api.openapi = lambda: 1 / 0\n")),
    ("api-routes", W, "/healthz is never reached", lambda p: p.code('\n@app.api.get("/healthz")\ndef h(): ...\n')),
    ("api-routes", W, "GET /n is registered twice", lambda p: p.code('\n@app.api.get("/n")\ndef m(): ...\n')),
    ("settings-valid", F, "fluxlit.toml:1: gateway_port must be",
     lambda p: p.files({"fluxlit.toml": "gateway_port = -1"})),
    ("settings-valid", F, "did you mean gateway_port?", lambda p: p.files({"fluxlit.toml": "gateway_prot = 1"})),
    ("settings-valid", F, "a.html:1: $head is missing",
     lambda p: p.files({"fluxlit.toml": 'system_page_template = "a.html"', "a.html": ""})),
    ("settings-valid", F, "not valid TOML", lambda p: p.files({"fluxlit.toml": "["})),
    ("proxy-trust", F, "[trust-everyone]",
     lambda p: p.flag(trust_proxy=True, forwarded_allow_ips="*", gateway_host="0.0.0.0")),
    ("public-address", W, "[public-url-missing]", lambda p: p.flag(gateway_host="0.0.0.0")),
    ("secrets", F, "[weak-secret-key]", lambda p: p.environ(FLUXLIT_SECRET_KEY="changeme" * 4)),
    ("session-protection", W, "[sessions-unencrypted]", store("sqlite:///s.db")),
    ("browser-protection", W, "[cors-credentials-unused]", lambda p: p.flag(cors_allow_credentials=True)),
    ("limits", W, "[short-read-timeout]", lambda p: p.flag(gateway_upstream_read_timeout_s="1")),
    ("streamlit-options", F, "server.port cannot be set", lambda p: p.flag(streamlit_options='{"server.port": 1}')),
    ("streamlit-options", F, "config.toml cannot be read", lambda p: p.files({".streamlit/config.toml": "["})),
    ("streamlit-options", W, "server.enableCORS has no effect",
     lambda p: p.files({".streamlit/config.toml": "[server]\nenableCORS = false"})),
    ("streamlit-options", F, "config.toml: server.trustedUserHeaders stops the start",
     lambda p: p.files({".streamlit/config.toml": '[server.trustedUserHeaders]\nX-Email = "email"'})),
    ("streamlit-options", W, "STREAMLIT_SERVER_ENABLE_CORS", lambda p: p.environ(STREAMLIT_SERVER_ENABLE_CORS="0")),
    ("web-concurrency", W, "WEB_CONCURRENCY=4", lambda p: p.environ(WEB_CONCURRENCY="4")),
    ("secret-files", W, "can read", secrets_for_all),
    ("secret-files", F, "can change", secrets_to_change),
    ("host-address", F, "cannot listen on 192.0.2.1", lambda p: p.flag(gateway_host="192.0.2.1")),
    ("host-address", F, "cannot listen on no.such.invalid", lambda p: p.flag(gateway_host="no.such.invalid")),
    ("port-free", F, "another program listens on 127.0.0.1:", busy_port),
    ("port-free", F, "may not listen on port 80", no_right),
    ("public-name", W, "no.such.invalid does not resolve", lambda p: p.flag(public_base_url="https://no.such.invalid")),
    ("streamlit-upstream", F, "does not respond: ", lambda p: p.flag(streamlit_upstream="http://127.0.0.1:9")),
    ("streamlit-upstream", F, "does not respond: No such file", lambda p: p.flag(streamlit_upstream="unix:/no/such")),
    ("session-store", F, "no installed package has a store for x://", store("x://y")),
    ("session-store", F, "cannot be used", store("redis://127.0.0.1:9")),
    ("file-descriptors", F, "may open 100 files", lambda p: p.on(descriptors=lambda: (100, 100))),
    ("file-descriptors", W, "enough for about 170 visitors", lambda p: p.on(descriptors=lambda: (1024, 1024))),
    ("memory-limit", F, "the limit is 128 MiB, with 2 workers",
     lambda p: p.group("memory.max", str(128 << 20)).flag(streamlit_workers="2")),
    ("memory-limit", W, "pages with data on them need", lambda p: p.group("memory.max", str(256 << 20))),
    ("memory-limit", F, "the limit is 64 MiB", lambda p: p.group("memory/memory.limit_in_bytes", str(64 << 20))),
    ("cpu-count", W, "5 workers on 4 processors", lambda p: p.flag(streamlit_workers="5")),
    ("process-limit", F, "20 processes", lambda p: p.group("pids.max", "20")),
    ("process-limit", W, "200 processes", lambda p: p.group("pids.max", "200")),
    ("temp-directory", F, "sockets cannot be created", no_temp),
    ("disk-space", F, "1 MiB are free", lambda p: p.on(free_bytes=lambda _: 1 << 20)),
    ("disk-space", W, "100 MiB are free", lambda p: p.on(free_bytes=lambda _: 100 << 20)),
    ("home-directory", W, "there is no home folder", no_home),
    ("home-directory", W, "is not writable", lambda p: p.on(home=lambda: Path("/proc/1"))),
    ("streamlit-files", F, "index.html cannot be read", broken_front_end),
    ("streamlit-files", F, "streamlit is not installed", lambda p: p.on(package=lambda _: None)),
    ("clock", F, "the clock shows 1970-01-01", endless_clock),
    ("login", F, "needs oidc_client_id", lambda p: p.code(LOGIN.format("OIDC(issuer='https://x.example')"))),
    ("login", F, "without a login", lambda p: p.code(ROLES)),
    ("text-encoding", W, "encoded as ascii", no_encoding),
]  # fmt: skip


def test_a_healthy_project_passes_every_check(patient: Patient) -> None:
    bad = {
        name: finding
        for name, finding in patient.examined().items()
        if finding.status not in (Status.PASS, Status.SKIP)
    }
    assert bad == {}


@pytest.mark.parametrize(("name", "status", "says", "illness"), ILLNESSES, ids=[case[0] for case in ILLNESSES])
def test_each_illness_is_found(name: str, status: Status, says: str, illness: Illness, patient: Patient) -> None:
    illness(patient)
    [finding] = patient.examined(name).values()
    assert (finding.status, says) == (status, says if says in finding.detail else finding.detail)
    explained = {"target-import", "pages-valid", "streamlit-options", "session-store", "login"}  # by the message
    assert finding.remedy or name in explained


def test_distributions_have_versions_of_their_own(patient: Patient) -> None:
    cli = Installed("fluxlit-cli", "3.1", ("fluxlit-gateway>=1.0,<2",))
    instead(cli, Installed("fluxlit-gateway", "1.4"), Installed("fluxlit-auth", "2.0"))(patient)
    assert patient.examined("fluxlit-versions") == {
        "fluxlit-versions": passed("fluxlit-auth 2.0, fluxlit-cli 3.1, fluxlit-gateway 1.4")
    }


ROUTER = """
from fastapi import APIRouter
inner, outer = APIRouter(), APIRouter(prefix="/shop")
{}
outer.include_router(inner, prefix="/items")
app.api.include_router(outer)
"""
HIDDEN = {
    "literal": (
        ['@app.api.get("/users/{name}")', '@app.api.get("/users/me")'],
        "GET /users/me is never reached: /users/{name} is registered before it",
    ),
    "in a router": (
        ['@inner.get("/{name}")', '@inner.get("/new")'],
        "GET /shop/items/new is never reached: /shop/items/{name}",
    ),
    "from a router": (
        ['@app.api.get("/shop/{rest:path}")', '@inner.get("/new")'],
        "GET /shop/items/new is never reached: /shop/{rest:path}",
    ),
    "twice in a router": (['@inner.post("/")', '@inner.post("/")'], "POST /shop/items/ is registered twice"),
    "another name": (['@app.api.get("/u/{a}")', '@app.api.get("/u/{b}")'], "GET /u/{b} is never reached: /u/{a}"),
}
REACHABLE = {
    "literal first": ['@app.api.get("/users/me")', '@app.api.get("/users/{name}")'],
    "another method": ['@app.api.get("/users/{name}")', '@app.api.put("/users/me")'],
    "a number first": ['@app.api.get("/users/{id:int}")', '@app.api.get("/users/{name}")'],
    "a segment first": ['@app.api.get("/files/{name}")', '@app.api.get("/files/{rest:path}")'],
}


def routes(lines: list[str]) -> str:
    return ROUTER.format("\n".join(f"{line}\ndef f{number}(): ..." for number, line in enumerate(lines)))


@pytest.mark.parametrize(("lines", "detail"), HIDDEN.values(), ids=HIDDEN)
def test_a_route_that_another_hides_is_found(lines: list[str], detail: str, patient: Patient) -> None:
    finding = patient.code(routes(lines)).examined("api-routes")["api-routes"]
    assert (finding.status, detail in finding.detail) == (Status.WARN, True), finding.detail


@pytest.mark.parametrize("lines", REACHABLE.values(), ids=REACHABLE)
def test_routes_that_can_be_reached_pass(lines: list[str], patient: Patient) -> None:
    assert patient.code(routes(lines)).examined("api-routes") == {"api-routes": passed("3 routes")}


SCRIPTS = {
    "files": ("import streamlit as st", "/first, /api_reference"),
    "navigation": (
        """
import streamlit as st
from streamlit import Page
def docs(): ...
def home(): ...
st.navigation([Page(home, default=True), Page(docs), st.Page('x/2_last one.py'), st.Page(home, url_path='a')])
""",
        "/docs, /last_one, /a",
    ),
}


@pytest.mark.parametrize(("script", "paths"), SCRIPTS.values(), ids=SCRIPTS)
def test_the_pages_of_a_script_are_found_in_its_text(script: str, paths: str, patient: Patient) -> None:
    pages = {"pages/1_first.py": "", "pages/2_🚀_api reference.py": ""}
    patient.files({"app.py": ROOTED, "ui.py": script, **pages})
    assert patient.examined("pages-valid") == {"pages-valid": passed(paths)}


def test_routes_without_a_pattern_are_not_examined(patient: Patient) -> None:
    patient.code("\nfor route in app.api.routes: route.path_regex = None\n")
    assert patient.examined("api-routes")["api-routes"].status is Status.SKIP


def test_there_is_an_illness_for_every_check() -> None:
    assert {check.name for check in BUILT_IN} - {"identity-provider"} == {case[0] for case in ILLNESSES}


def test_the_ids_are_unique_and_documented() -> None:
    names = [check.name for check in BUILT_IN]
    assert len(names) == len(set(names)) >= 25
    page = (ROOT / "docs" / "how-to" / "doctor.md").read_text(encoding="utf-8")
    assert set(names) - set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)) == set()


# Services.


@contextlib.contextmanager
def answering(answers: dict[str, Any], date: float | None = None, status: int = 200) -> Iterator[str]:
    """A server with JSON documents; `{url}` in them is its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers.get(self.path)).replace("{url}", url).encode()
            self.send_response_only(status if self.path in answers else 404)
            self.send_header("Date", email.utils.formatdate(date or time.time(), usegmt=True))
            self.end_headers()
            self.wfile.write(body if status == 200 else b"")

        def log_message(self, *_: Any) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield url
        server.shutdown()
        thread.join()


def provider(**changed: Any) -> dict[str, Any]:
    document = {
        "issuer": "{url}",
        "authorization_endpoint": "{url}/authorize",
        "token_endpoint": "{url}/token",
        "jwks_uri": "{url}/keys",
    }
    return {"/.well-known/openid-configuration": document | changed, "/keys": {"keys": [{}]}}


def asked(patient: Patient, issuer: str) -> Finding:
    patient.code(LOGIN.format(f"OIDC(issuer={issuer!r}, client_id='portal', client_secret='not for long')"))
    return patient.examined("identity-provider")["identity-provider"]


def test_a_sane_provider_passes(patient: Patient) -> None:
    with answering(provider()) as url:
        assert asked(patient, url) == Finding(Status.PASS, url)


@pytest.mark.parametrize(
    ("answers", "date", "says"),
    [
        ({}, None, "returned 404"),
        ({"/.well-known/openid-configuration": ["x"]}, None, "not valid provider metadata"),
        (provider(issuer="https://another.example"), None, "has the issuer 'https://another.example'"),
        (provider(token_endpoint=None), None, "has no token_endpoint"),
        (provider(code_challenge_methods_supported=["plain"]), None, "PKCE"),
        (provider() | {"/keys": {"keys": []}}, None, "publishes no keys"),
        (provider(), 1_000_000_000.0, "the clocks of"),
    ],
)
def test_a_provider_that_is_wrong(answers: dict[str, Any], date: float | None, says: str, patient: Patient) -> None:
    with answering(answers, date) as url:
        finding = asked(patient, url)
    assert finding.status is Status.FAIL
    assert says in finding.detail


def test_a_provider_that_is_a_placeholder_warns(patient: Patient) -> None:
    finding = asked(patient, "https://login.example.com")
    assert (finding.status, "placeholder" in finding.detail) == (Status.WARN, True)


def test_a_provider_without_metadata_is_not_asked(patient: Patient) -> None:
    patient.code(LOGIN.format("OIDC(preset='github', client_id='portal', client_secret='not for long')"))
    found = patient.examined("login", "identity-provider")
    assert {name: finding.status for name, finding in found.items()} == {
        "login": Status.PASS,
        "identity-provider": Status.SKIP,
    }


def test_a_provider_that_is_away(patient: Patient) -> None:
    finding = asked(patient, "http://127.0.0.1:9")
    assert finding.status is Status.FAIL
    assert "does not respond: Connection refused" in finding.detail


def test_an_endpoint_without_tls() -> None:
    document = provider(token_endpoint="http://x.example")["/.well-known/openid-configuration"]
    document |= {"issuer": "https://x.example", "authorization_endpoint": "https://x.example"}
    assert "token_endpoint of https://x.example has no TLS" in metadata_problem("https://x.example", document)


def test_a_fluxlit_on_the_port_is_recognised(patient: Patient) -> None:
    with answering({"/api/healthz": {"status": "ok"}}) as url:
        [finding] = patient.flag(gateway_port=url.rpartition(":")[2]).examined("port-free").values()
    assert finding.detail.startswith("a FluxLit listens on")


def test_an_upstream_that_is_no_streamlit(patient: Patient) -> None:
    with answering({}) as url:
        [finding] = patient.flag(streamlit_upstream=url).examined("streamlit-upstream").values()
    assert (finding.status, "returned 404" in finding.detail) == (Status.FAIL, True)


@pytest.mark.parametrize("url", ["memory://", "sqlite:///s.db"])
def test_a_store_that_works(url: str, patient: Patient) -> None:
    [finding] = patient.flag(session_store=url).examined("session-store").values()
    assert finding.status is Status.PASS
    assert "six operations" in finding.detail


def test_a_store_that_forgets(patient: Patient) -> None:
    class Forgetful:
        location = "nowhere"

        def __getattr__(self, name: str) -> Any:
            return lambda *_: type("Session", (), {"id": "x"})() if name == "create" else None

    patient.monkeypatch.setattr(sessions, "open_store", lambda _: Forgetful())
    [finding] = patient.flag(session_store="sqlite:///s.db").examined("session-store").values()
    assert finding.detail == "nowhere loses data."


def test_a_store_that_may_lose_data_is_a_warning(patient: Patient) -> None:
    patient.monkeypatch.setattr(SessionStore, "advice", lambda _: "it forgets")
    [finding] = patient.flag(session_store="memory://").examined("session-store").values()
    assert finding.status is Status.WARN
    assert finding.detail.endswith("; but it forgets.")


def test_a_limit_of_a_group_above_binds_too(patient: Patient) -> None:
    patient.group("a/memory.max", str(64 << 20)).files({"groups/a/b/memory.max": "max", "own": "0::/a/b\n"})
    patient.on(own_cgroup=patient.folder / "own")
    assert patient.examined("memory-limit")["memory-limit"].status is Status.FAIL


def test_no_limits_are_fine(patient: Patient) -> None:
    patient.group("memory.max", "max").group("memory/memory.limit_in_bytes", str(2**63 - 4096)).group("pids.max", "max")
    found = patient.on(descriptors=lambda: (None, None)).examined("memory-limit", "process-limit", "file-descriptors")
    assert {finding.detail for finding in found.values()} == {"no limit"}
