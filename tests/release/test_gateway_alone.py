"""`fluxlit-gateway` alone is a complete runtime: `uvicorn app:app`, with none of its siblings on the machine."""

import json
import signal
from collections.abc import Callable
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
    st.title("Dashboard")
    st.write(client.get("/users").json())
"""


def get(url: str) -> tuple[int, str]:
    with urlopen(url, timeout=10) as response:
        return response.status, response.read().decode()


def smoke(environment: Environment, folder: Path) -> None:
    """Serve the application with plain uvicorn; ask API, page and readiness; stop it as an operator does."""
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
        server.process.wait(40)
        wait_until_gone(workers)


def test_uvicorn_runs_the_whole_application(install_alone: Callable[[str], Environment], tmp_path: Path) -> None:
    smoke(install_alone("fluxlit-gateway"), tmp_path)


def test_declared_floors_are_real(wheels: dict[str, Path], tmp_path: Path) -> None:
    # The oldest releases that the metadata admits, installed together. Floors of what those need are theirs to state.
    environment = Environment.create(tmp_path / "venv")
    environment.install(wheels["fluxlit-gateway"], resolution="lowest-direct")
    smoke(environment, tmp_path)
