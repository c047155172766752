"""Bad input is one message and exit code 1, and nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fluxlit_deploy.dependencies import find_dependencies
from fluxlit_deploy.errors import DeployError
from tests.cli.command import fluxlit

pytestmark = pytest.mark.slow

APP = 'from fluxlit import FluxLit\n\napp = FluxLit(title="Portal")\n'
TABLE = "[build.kubernetes]\n"
EDGE = "[build.edge]\n"


@pytest.mark.parametrize(
    ("toml", "options", "message"),
    [
        (f"{TABLE}grace_period_s = 12\n", ["--kubernetes"], "grace_period_s = 12 is too short"),
        (f"{TABLE}grace_period_s = 12\n", ["--helm"], "grace_period_s = 12 is too short"),
        ('root_path = "/p"\n', ["--kubernetes", "--path-mode", "root"], 'root_path is "/p"'),
        ("", ["--kubernetes", "--path-mode", "strip"], "root_path is empty"),
        ("", ["--edge", "caddy", "--path-mode", "full"], "root_path is empty"),
        ('root_path = "/p"\n', ["--edge", "nginx", "--path-mode", "root"], 'root_path is "/p"'),
        (f'{EDGE}upstreams = "a:1"\n', ["--edge", "haproxy"], "upstreams must be a list of addresses"),
        ("[build]\nkubernetes = 5\n", ["--kubernetes"], "kubernetes must be a table of its own"),
        ("uvicorn_graceful_shutdown_timeout_s = 400\n", ["--platform", "fly"], "fly kills after 300 s"),
        ("[build.compose]\nprot = 80\n", ["--compose"], "unknown key prot; did you mean port?"),
        (f'root_path = "/p"\n{TABLE}route = "ingress"\n', ["--compose", "--kubernetes", "--path-mode", "strip"],
         "--path-mode strip is not possible with a plain Ingress"),
        ("gateway_drain_delay_s = -1\n", [], "gateway_drain_delay_s must be"),
        ("gateway_port = \n", [], "fluxlit.toml"),
    ],
)  # fmt: skip
def test_nothing_is_written(toml: str, options: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "fluxlit.toml").write_text(toml)

    done = fluxlit("build", *options, "--output", "out", directory=tmp_path)

    assert done.returncode == 1, done.stdout
    assert message in done.stderr
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_that_was_edited_stops_all(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "requirements.txt").write_text("fluxlit-cli\n")
    edited = tmp_path / "kubernetes" / "base" / "service.yaml"
    edited.parent.mkdir(parents=True)
    edited.write_text("# mine\n")

    done = fluxlit("build", "--kubernetes", directory=tmp_path)

    assert done.returncode == 1
    assert "kubernetes/base/service.yaml is there already and would change. Nothing was written" in done.stderr
    assert edited.read_text() == "# mine\n"
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".pyc" and path.name != "__pycache__") == [
        "app.py",
        "kubernetes",
        "requirements.txt",
    ]


@pytest.mark.parametrize(
    ("app", "target", "message"),
    [
        ("import nowhere_to_be_found\n", None, "nowhere_to_be_found"),
        ("app = 1 +\n", None, "app.py"),
        ("import sys\nsys.exit('no database here')\n", None, "no database here"),
        ("import os\nos._exit(3)\n", None, "The application ended its process while it was imported"),
        ("app = 5\n", None, "app:app"),
        (APP, "app:portal", "portal"),
        (APP, "../elsewhere.py:app", "elsewhere"),
    ],
)
def test_a_target_that_cannot_be_imported(app: str, target: str | None, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "portal"
    folder.mkdir()
    (folder / "app.py").write_text(app)

    done = fluxlit("build", *([target] if target else []), "--compose", "--output", "out", directory=folder)

    assert done.returncode == 1, done.stdout
    assert message in done.stderr
    assert done.stderr.count("error:") == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"uv.lock": ""}, "uv.lock belongs to a pyproject.toml, and there is none beside it"),
        ({"pyproject.toml": "[project\n"}, "pyproject.toml cannot be read"),
        ({"requirements.txt": "-e ../shared\n"}, "refers to ../shared, which is outside the project"),
        ({"requirements.txt": "-r base.txt\n"}, "base.txt cannot be read"),
        ({"requirements.txt": "./a b/x.whl\n./$x/y.whl\n"}, "rename it so that the path has letters, digits"),
    ],
)
def test_dependencies_that_cannot_be_read(files: dict[str, str], message: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    with pytest.raises(DeployError, match=message):
        find_dependencies(tmp_path)


def test_without_dependencies_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)

    done = fluxlit("build", directory=tmp_path)

    assert done.returncode == 1
    assert "error: pyproject.toml: no file names what the application needs" in done.stderr
    assert "List the dependencies in pyproject.toml, run uv lock, and commit both." in done.stderr
    assert not (tmp_path / "Dockerfile").exists()


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        ("fluxlit-gateway", "error: requirements.txt: fluxlit-cli is not among the dependencies"),
        ("fluxlit-cli", "warning: requirements.txt: there are no hashes"),
    ],
)
def test_an_image_that_could_not_start_is_not_written(requirement: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "requirements.txt").write_text(f"{requirement}\n")

    done = fluxlit("build", directory=tmp_path)

    assert message in done.stderr
    wrong = message.startswith("error")
    assert (done.returncode, (tmp_path / "Dockerfile").is_file()) == (int(wrong), not wrong)


def test_compose_without_the_client_of_redis_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "requirements.txt").write_text("fluxlit-cli\n")

    done = fluxlit("build", "--compose", "--json", directory=tmp_path)

    findings = {each["id"]: each for each in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1
    assert json.loads(done.stdout)["written"] is False
    assert not (tmp_path / "compose.yaml").exists()
    assert findings["project-redis"]["remedy"] == "Add fluxlit-sessions[encryption,redis] to the dependencies."


@pytest.mark.parametrize("option", [["--edge", "apache"], ["--path-mode", "cut"], ["--platform", "heroku"]])
def test_a_word_that_does_not_exist_is_wrong_use(option: list[str], tmp_path: Path) -> None:
    done = fluxlit("build", *option, directory=tmp_path)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_edited_compose_file_stays_and_nothing_else_is_written(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "requirements.txt").write_text("fluxlit\n")
    (tmp_path / "compose.yaml").write_text("# mine\n")

    done = fluxlit("build", "--compose", directory=tmp_path)

    assert done.returncode == 1
    assert "compose.yaml is there already and would change. Nothing was written" in done.stderr
    assert (tmp_path / "compose.yaml").read_text() == "# mine\n"
    assert not (tmp_path / "edge").exists()
    assert not (tmp_path / "Dockerfile").exists()
