"""Two replicas below a path behind nginx, and one Redis.

A login is known to both, and ends on both.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

from fluxlit.testing import Server, run_server
from tests.integration.edges.engines import answers, program
from tests.integration.login.certified import Certified
from tests.integration.login.portal import (
    API_KEY,
    WATCH_SOCKETS,
    NewVisitor,
    enter,
    expect_closed,
    expect_provider,
    expect_text,
    log_in,
    login_cookies,
    write_portal,
)
from tests.sessions.servers import BINARY, RedisServer, running
from tests.support.chromium import Visitor
from tests.support.ports import free_port
from tests.support.processes import background, clean_environ

pytestmark = pytest.mark.browser

MOUNT = "/apps/portal"
NAMES = ("one", "two")
MOST_TABS = 6

# A login begins on one replica and ends on the other; everything else goes to each in turn.
NGINX = """
daemon off;
worker_processes 1;
pid {root}/nginx.pid;
error_log {root}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {root}/body; proxy_temp_path {root}/proxy;
    fastcgi_temp_path {root}/fastcgi; uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
    upstream one {{ server {one}; }}
    upstream two {{ server {two}; }}
    upstream both {{ server {one}; server {two}; }}
    # In turn among themselves: how many other requests a page makes decides nothing.
    upstream sockets {{ server {one}; server {two}; }}
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $http_connection;
    server {{
        listen 127.0.0.1:{port};
        location = {mount}/api/auth/login {{ proxy_pass http://one; }}
        location = {mount}/api/auth/callback {{ proxy_pass http://two; }}
        location {mount}/_stcore/stream {{ proxy_pass http://sockets; }}
        location {mount}/ {{ proxy_pass http://both; }}
    }}
}}
"""


@dataclass(frozen=True)
class Deployment:
    """Both replicas behind nginx.

    Attributes:
        url: public address, with the mount.
        redis: their store.
    """

    url: str
    redis: RedisServer


@pytest.fixture(scope="module")
def deployment(provider: Certified, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    if BINARY is None:
        pytest.fail("There is no redis-server. Install it: apt-get install redis-server", pytrace=False)
    origin = f"http://127.0.0.1:{free_port()}"
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="flx")))
        redis = stack.enter_context(running(RedisServer(folder, persistent=True)))
        settings: dict[str, Any] = {
            **provider.settings("replicated"),
            "root_path": MOUNT,
            "public_base_url": f"{origin}{MOUNT}",
            "trust_proxy": True,
            "forwarded_allow_ips": "127.0.0.1",
            "session_store": redis.url,
            "secret_key": secrets.token_urlsafe(48),
        }
        home = write_portal(tmp_path_factory.mktemp("replicas"))
        replicas = [
            stack.enter_context(run_server("app:app", home, environment={"REPLICA": name}, **settings))
            for name in NAMES
        ]
        stack.enter_context(run_nginx(replicas, origin, tmp_path_factory.mktemp("nginx")))
        provider.register("replicated", f"{origin}{MOUNT}")
        yield Deployment(f"{origin}{MOUNT}", redis)


@contextlib.contextmanager
def run_nginx(replicas: list[Server], origin: str, root: Path) -> Iterator[None]:
    one, two = (urlsplit(replica.url).netloc for replica in replicas)
    config = root / "nginx.conf"
    config.write_text(NGINX.format(root=root, one=one, two=two, port=urlsplit(origin).port, mount=MOUNT))
    command = [program("nginx"), "-e", "stderr", "-p", str(root), "-c", str(config)]
    with (
        background(command, cwd=root, environ=clean_environ()) as process,
        httpx.Client(trust_env=False, timeout=60) as client,
    ):
        deadline = time.monotonic() + 60
        while not answers(client, f"{origin}{MOUNT}/api/healthz"):
            assert time.monotonic() < deadline, "".join(process.output)
            time.sleep(0.02)
        yield
        process.process.terminate()
        process.process.wait(5)


def replica_of(tab: Visitor) -> str:
    """Which replica runs the page of a tab."""
    text = tab.page.get_by_text("replica ").inner_text()
    return text.removeprefix("replica ")


def open_tabs(visitor: Visitor, url: str) -> dict[str, Visitor]:
    """Open the page in tabs of one browser until each replica has one."""
    tabs: dict[str, Visitor] = {}
    for _ in range(MOST_TABS):
        tab = Visitor(visitor.page.context.new_page())
        tab.page.add_init_script(WATCH_SOCKETS)
        tab.visit(url)
        tabs[replica_of(tab)] = tab
        if len(tabs) == len(NAMES):
            return tabs
    pytest.fail(f"after {MOST_TABS} tabs all were on {set(tabs)}")


def wait_until_refused(page: Page, url: str) -> None:
    """Ask until the response is 503.

    For a second each replica relies on what it has heard from the store.
    """
    deadline = time.monotonic() + 60
    while (answer := page.goto(url)) is None or answer.status != 503:
        assert time.monotonic() < deadline


def test_a_login_begins_on_one_replica_ends_on_the_other_and_is_over_on_both(
    deployment: Deployment, visitor: Visitor, provider: Certified
) -> None:
    """ASVS 7.4.1 and 14.3.1, on every replica."""
    enter(visitor, f"{deployment.url}/orders?number=4", "ada")
    expect_text(visitor.page, "number 4", "the API knows ada")
    tabs = open_tabs(visitor, f"{deployment.url}/orders?number=5")
    with visitor.page.expect_request("**/api/auth/logout?*") as asked:
        visitor.page.get_by_role("link", name="Sign out").click()
    for tab in tabs.values():
        expect_closed(tab.page, asked.value)
    expect_provider(visitor.page, provider)
    visitor.page.get_by_role("button", name="Yes, sign me out").click()
    expect(visitor.page).to_have_url(f"{deployment.url}/api/auth/logged-out")
    tab = tabs["two"]
    expect(tab.page.get_by_role("dialog", name="You are signed out")).to_be_visible()
    expect(tab.page.get_by_text("ada@example.org")).to_have_count(0)
    tab.page.get_by_role("button", name="Reload").click()
    log_in(tab.page, "bob")
    expect(tab.page).to_have_url(f"{deployment.url}/orders?number=5")
    tab.settle()
    expect_text(tab.page, "number 5", "the API knows bob")
    robot = httpx.get(f"{deployment.url}/api/me", headers={"x-api-key": API_KEY}, timeout=60)
    assert robot.json() == "robot"


def test_an_outage_of_the_store_logs_nobody_out(deployment: Deployment, new_visitor: NewVisitor) -> None:
    working, late = new_visitor(), new_visitor()
    page = working.page
    enter(working, f"{deployment.url}/orders?number=6", "ada")
    cookies = login_cookies(page, deployment.url)
    other = Visitor(page.context.new_page())
    other.page.add_init_script(WATCH_SOCKETS)
    other.visit(f"{deployment.url}/orders")
    deployment.redis.kill()
    try:
        for tab in (page, late.page):
            wait_until_refused(tab, f"{deployment.url}/orders?number=6")
            expect(tab.get_by_role("heading", name="Sign-in is not available now")).to_be_visible()
        shown = page.evaluate("fetch('/apps/portal/api/me').then(answer => answer.status)")
        assert shown == 503
        robot = httpx.get(f"{deployment.url}/api/me", headers={"x-api-key": API_KEY}, timeout=60)
        assert robot.status_code == 200
    finally:
        deployment.redis.start()
    page.get_by_role("link", name="Try again").click()
    working.settle()
    expect_text(page, "number 6", "the API knows ada")
    assert login_cookies(page, deployment.url) == cookies
    assert other.page.evaluate("window.closedSockets") == [], "no connection was closed by the outage"
    other.page.get_by_role("button", name="Count").click()
    expect_text(other.page, "clicks 1")
    late.page.get_by_role("link", name="Try again").click()
    log_in(late.page, "bob")
    late.settle()
    expect_text(late.page, "number 6", "the API knows bob")
    for each in (working, late):
        each.problems[:] = [problem for problem in each.problems if "503" not in problem]
