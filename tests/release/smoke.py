"""Does an installed FluxLit serve pages and API?"""

import json
import signal
from pathlib import Path
from urllib.request import urlopen

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
    st.text(client.get("/users").json()[0]["name"])
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
        socket = connect(f"ws://127.0.0.1:{port}/_stcore/stream", subprotocols=offered, proxy=None, open_timeout=60)
        break
    except Exception:
        time.sleep(0.1)
with socket:
    socket.send(ask.SerializeToString())
    text = ""
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

UVICORN = ("uvicorn", "app:app", "--port", "0")
FLUXLIT_RUN = ("fluxlit", "run", "app:app", "--port", "0")


def get(url: str) -> tuple[int, str]:
    """Return status and body of a response."""
    with urlopen(url, timeout=60) as response:
        return response.status, response.read().decode()


def smoke(environment: Environment, folder: Path, command: tuple[str, ...] = UVICORN) -> list[str]:
    """Serve, use API and page, end the server; return its output."""
    (folder / "app.py").write_text(APP)
    (folder / "client.py").write_text(CLIENT)
    name, *arguments = command
    with background([environment.command(name), *arguments], cwd=folder, environ=environment.environ()) as server:
        port = server.wait_for(r"http://(?:127\.0\.0\.1|localhost):(\d+)", timeout=120)[1]
        base = f"http://127.0.0.1:{port}"
        assert get(f"{base}/api/readyz") == (200, '{"status":"ready","streamlit":"ok"}')
        status, body = get(f"{base}/api/users")
        assert (status, json.loads(body)) == (200, [{"name": "Ada"}])
        status, page = get(f"{base}/")
        assert status == 200
        assert "<title>" in page
        tab = environment.run(environment.python, "client.py", port, cwd=folder)
        assert tab.stdout.split()[1:] == ["Ada"], tab.stderr + "".join(server.output)
        workers = descendants(server.process.pid)
        assert workers, "no Streamlit worker was started"
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(60)
        wait_until_gone(workers)
        return server.output
