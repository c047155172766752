"""`fluxlit-gateway` alone is a complete runtime: `uvicorn app:app`."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.release.environments import Environment
from tests.support.processes import background, descendants, wait_until_gone

# The application of the project's README.
APP = """
from fluxlit import FluxLit

app = FluxLit(title="Admin portal")

@app.api.get("/users")
def users() -> list[dict[str, str]]:
    return [{"name": "Ada"}]

@app.page("/", title="Dashboard", icon=":material/home:")
def home(st, client):
    st.title("Dashboard")
    st.write(client.get("/users").json())
"""

COUNTING = """
from fluxlit import FluxLit

app = FluxLit(title="Counter")

@app.page("/")
def home(st):
    st.session_state.runs = st.session_state.get("runs", 0) + 1
    st.text(str(st.session_state.runs))
"""

# One tab: connects, again and again until it is served, has the page run, and prints session id and text.
CLIENT = """
import sys, time
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

port, offered = sys.argv[1], ["streamlit", "none", *sys.argv[2:]]
ask = BackMsg()
ask.rerun_script.query_string = ""
for attempt in range(100):
    try:
        socket = connect(f"ws://127.0.0.1:{port}/_stcore/stream", subprotocols=offered, proxy=None)
        break
    except Exception:
        time.sleep(0.1)
with socket:
    socket.send(ask.SerializeToString())
    while True:
        message = ForwardMsg.FromString(socket.recv(timeout=60))
        if message.WhichOneof("type") == "new_session":
            session = message.new_session.initialize.session_id
        elif message.WhichOneof("type") == "delta" and message.delta.new_element.HasField("text"):
            text = message.delta.new_element.text.body
        elif message.WhichOneof("type") == "script_finished":
            break
print(session, text)
"""


def get(url: str) -> tuple[int, str]:
    with urlopen(url, timeout=60) as response:
        return response.status, response.read().decode()


def smoke(environment: Environment, folder: Path) -> None:
    """Serve with plain uvicorn; get API, page and readiness; end it by signal."""
    (folder / "app.py").write_text(APP)
    command = [environment.command("uvicorn"), "app:app", "--port", "0"]
    with background(command, cwd=folder, environ=environment.environ()) as server:
        port = server.wait_for(r"running on http://127\.0\.0\.1:(\d+)", timeout=60)[1]
        base = f"http://127.0.0.1:{port}"
        assert get(f"{base}/api/readyz") == (200, '{"status":"ready","streamlit":"ok"}')
        status, body = get(f"{base}/api/users")
        assert (status, json.loads(body)) == (200, [{"name": "Ada"}])
        status, page = get(f"{base}/")
        assert status == 200
        assert "<title>" in page
        workers = descendants(server.process.pid)
        assert workers, "no Streamlit worker was started"
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(60)
        wait_until_gone(workers)


def test_uvicorn_runs_the_whole_application(install_alone: Callable[[str], Environment], tmp_path: Path) -> None:
    smoke(install_alone("fluxlit-gateway"), tmp_path)


@pytest.fixture(scope="module")
def oldest(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    # The oldest releases that the metadata admits, installed together. Floors of what those need are theirs to state.
    environment = Environment.create(tmp_path_factory.mktemp("oldest") / "venv")
    environment.install(wheels["fluxlit-gateway"], wheels["fluxlit-sessions"], resolution="lowest-direct")
    return environment


def test_declared_floors_are_real(oldest: Environment, tmp_path: Path) -> None:
    smoke(oldest, tmp_path)


def test_sessions_come_back_with_the_oldest_streamlit(oldest: Environment, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(COUNTING)
    (tmp_path / "client.py").write_text(CLIENT)
    command = [oldest.command("uvicorn"), "app:app", "--port", "0"]
    environ = oldest.environ() | {"FLUXLIT_SESSION_STORE": f"sqlite:///{tmp_path}/sessions.db"}
    with background(command, cwd=tmp_path, environ=environ) as server:
        port = server.wait_for(r"running on http://127\.0\.0\.1:(\d+)", timeout=60)[1]
        client = [oldest.python, "client.py", port]
        first = oldest.run(*client, cwd=tmp_path)
        assert first.returncode == 0, first.stderr
        session, text = first.stdout.split()
        assert text == "1"
        workers = descendants(server.process.pid)
        for worker in workers:
            worker.kill()
        wait_until_gone(workers)
        again = oldest.run(*client, session, cwd=tmp_path)
        assert again.stdout.split() == [session, "2"], again.stderr + "".join(server.output)
