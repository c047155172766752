"""A Redis that tests stop and start, and an application with a login.

Its provider is a scripted one.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
import uvicorn

from fluxlit.testing import Server, run_server
from tests.auth.hostile import HostileProvider
from tests.sessions.servers import BINARY, RedisServer, running, wait_until
from tests.support.ports import free_port

APP = """
    from fluxlit import FluxLit, OptionalUser
    from fluxlit_auth import OIDC

    app = FluxLit(title="Clicks", auth=OIDC.from_settings())

    @app.page("/", public=True)
    def home(st, session, user: OptionalUser):
        if st.button("Click"):
            st.session_state.clicks = st.session_state.get("clicks", 0) + 1
            session.change("clicks", lambda clicks: clicks + 1, default=0)
        st.text(user.subject if user else "no user")
        st.text(str(st.session_state.get("clicks", 0)))
        st.text(str(session.get("clicks", 0)))
"""


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    """A Redis that keeps what it has acknowledged, also over a kill.

    Its socket needs a short path.
    """
    if BINARY is None:
        pytest.fail("There is no redis-server. Install it: apt-get install redis-server", pytrace=False)
    folder = Path(tempfile.mkdtemp(prefix="flx"))
    with running(RedisServer(folder, persistent=True)) as server:
        yield server
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def provider() -> Iterator[HostileProvider]:
    """A scripted provider on a port of its own.

    It signs in the user named by `subject`, without asking.
    """
    port = free_port()
    provider = HostileProvider(issuer=f"http://127.0.0.1:{port}")
    server = uvicorn.Server(uvicorn.Config(provider, port=port, lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    yield provider
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def guarded(provider: HostileProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An application with a login at the provider."""
    directory = tmp_path_factory.mktemp("whose")
    (directory / "app.py").write_text(dedent(APP))
    with run_server(
        "app:app",
        directory,
        command="run",
        session_store=f"sqlite:///{directory}/sessions.db",
        secret_key="a key of the application that is long enough to be one",
        oidc_issuer=provider.issuer,
        oidc_client_id=provider.client_id,
        oidc_client_secret=provider.client_secret,
    ) as server:
        yield server
