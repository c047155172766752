"""`fluxlit-gateway` alone is a complete runtime: `uvicorn app:app`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.release.environments import IMPORT_NAMES, VERSIONS, Environment, requirements
from tests.release.smoke import CLIENT, FLUXLIT_RUN, UVICORN, smoke
from tests.support.processes import background, descendants, wait_until_gone

COUNTING = """
from fluxlit import FluxLit

app = FluxLit(title="Counter")

@app.page("/")
def home(st):
    st.session_state.runs = st.session_state.get("runs", 0) + 1
    st.text(str(st.session_state.runs))
"""


def test_uvicorn_runs_the_whole_application(install_alone: Callable[[str], Environment], tmp_path: Path) -> None:
    smoke(install_alone("fluxlit-gateway"), tmp_path)


SERVING = ("fluxlit-gateway", "fluxlit-sessions", "fluxlit-cli", "fluxlit-auth", "fluxlit-deploy")


@pytest.fixture(scope="module")
def oldest(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The oldest releases that the metadata admits.

    uv takes the lowest version of what is named directly, so the requirements themselves are named.
    """
    environment = Environment.create(tmp_path_factory.mktemp("oldest") / "venv")
    direct = {str(each) for name in SERVING for each in requirements(name) if each.name not in IMPORT_NAMES}
    environment.install(*sorted(direct), resolution="lowest-direct")
    environment.install(*(wheels[name] for name in SERVING), dependencies=False)
    return environment


def test_the_oldest_environment_has_the_floors(oldest: Environment) -> None:
    installed, minor = oldest.packages(), VERSIONS["minor"]
    for name, (first, _) in VERSIONS["TESTED"].items():
        assert minor(installed[name]) == minor(first), name


@pytest.mark.parametrize("command", [UVICORN, FLUXLIT_RUN], ids=["uvicorn", "fluxlit run"])
def test_declared_floors_are_real(oldest: Environment, tmp_path: Path, command: tuple[str, ...]) -> None:
    smoke(oldest, tmp_path, command)
    imported = oldest.run(oldest.python, "-c", "import fluxlit.testing, httpx_ws", cwd=tmp_path)
    assert imported.returncode == 0, imported.stderr


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
