"""Applications and edges for the tests of a module, each started once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext

from fluxlit.testing import Server, run_server
from tests.integration.edges.compose import FOLDER, STACKS, load
from tests.integration.edges.engines import Edge, browserless, run_edge
from tests.support.chromium import Visitor, open_tab, open_visitor

Applications = Callable[[Mapping[str, str]], Server]


@pytest.fixture(scope="module")
def applications() -> Iterator[Applications]:
    """Start the demo with an environment, once for each environment."""
    running: dict[frozenset[tuple[str, str]], Server] = {}
    with ExitStack() as servers:

        def start(environment: Mapping[str, str]) -> Server:
            # Here the edges speak from this machine.
            environment = {**environment, "FLUXLIT_FORWARDED_ALLOW_IPS": "127.0.0.1"}
            key = frozenset(environment.items())
            if key not in running:
                prefix = environment["FLUXLIT_ROOT_PATH"]
                demo = run_server("app:app", FOLDER, command="run", environment=environment, root_path=prefix)
                running[key] = servers.enter_context(demo)
            return running[key]

        yield start


@pytest.fixture(scope="module", params=STACKS)
def edge(
    request: pytest.FixtureRequest, applications: Applications, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Edge]:
    """Each stack in turn."""
    stack = load(request.param)
    with run_edge(stack, tmp_path_factory.mktemp(stack.name), upstream(applications(stack.application))) as edge:
        yield edge


@pytest.fixture(scope="module")
def browser(chromium: Browser, edge: Edge) -> Iterator[BrowserContext]:
    """A browser for each edge, so that the front end is loaded once."""
    with open_visitor(chromium, ignore_https_errors=True) as visitor:
        yield visitor.page.context


@pytest.fixture
def window(browser: BrowserContext) -> Iterator[Visitor]:
    """A tab of that browser; a test fails if anything went wrong in it."""
    with open_tab(browser) as visitor:
        yield visitor


@pytest.fixture
def client(edge: Edge) -> Iterator[httpx.Client]:
    """A program that calls the API through the edge."""
    with browserless(base_url=edge.api_url) as client:
        yield client


def upstream(server: Server) -> str:
    """Host and port of an application."""
    return httpx.URL(server.url).netloc.decode()
