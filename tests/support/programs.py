"""Which programs of the tests are forks; see `forks`."""

import functools
import os

from tests.support.forks import Libraries

PROGRAMS = ("fluxlit_cli", "fluxlit_cli.facts", "fluxlit", "uvicorn")
OWN = ("fluxlit_cli.command_line", "fluxlit_cli.run", "fluxlit_cli.dev", "fluxlit.server.serve", "uvicorn.main")
OTHERS = ("httpx_ws", "jinja2", "joserfc.jwt", "packaging.requirements", "yaml")
WORKER = ("streamlit.starlette", "streamlit.web.server.starlette.starlette_app", "fluxlit.worker.program")
# In one process of a test run, programs are started once as users start them.
AT_ONCE = os.environ.get("PYTEST_XDIST_WORKER", "gw0") != "gw0"
PYTEST = ("_pytest.assertion.rewrite", "pytest", "fastapi", "httpx_ws", "uvicorn", "streamlit.runtime")


@functools.cache
def fluxlit() -> Libraries:
    """Those of FluxLit: servers, workers, commands."""
    shells = {"fluxlit": "*", "python": '"-m fluxlit_cli.facts"'}
    children = ("fluxlit.worker", "fluxlit.server.api_worker", "fluxlit_cli.facts")
    libraries = [*OWN, *OTHERS]
    return Libraries(libraries, PROGRAMS, shells, children=WORKER, known_children=children, at_once=AT_ONCE)


@functools.cache
def pytest() -> Libraries:
    """Those of pytest in a project."""
    return Libraries(PYTEST, ["pytest"], {"pytest": "*", "python": '"-m pytest"'}, at_once=AT_ONCE)
