"""`fluxlit new`: the project is complete and passes its own checks."""

import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath

import httpx
import pytest

from fluxlit_cli.new import recipe
from fluxlit_cli.new.errors import NewError
from fluxlit_cli.new.folder import Change, Content, plan
from fluxlit_cli.new.folder import write as write_project
from tests.cli.command import fluxlit, says, write
from tests.cli.test_dev import development
from tests.support import programs
from tests.support.processes import clean_environ

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Path:
    done = fluxlit("new", "my-admin_portal", directory=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Created my-admin_portal. Next:\n  cd my-admin_portal\n  fluxlit dev\n"
    return tmp_path / "my-admin_portal"


def check(project: Path, *arguments: str) -> str:
    """Run a tool in the project as its author would."""
    environ = clean_environ(UV_OFFLINE="1")
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def passes(project: Path, tests: int) -> None:
    """Run the tests of the project; they are so many."""
    programs.pytest()
    assert f"{tests} passed" in check(project, "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider")


def command(project: Path, *arguments: str) -> str:
    """Run a command of FluxLit in the project."""
    done = fluxlit(*arguments, directory=project)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_has_what_a_project_needs(project: Path) -> None:
    assert {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()} == {
        ".gitignore",
        "README.md",
        "app.py",
        "fluxlit.toml",
        "pyproject.toml",
        "requirements-dev.txt",
        "requirements.txt",
        "tests/test_app.py",
    }
    assert 'title="My admin portal"' in (project / "app.py").read_text()
    assert "$" not in "".join(path.read_text() for path in project.rglob("*") if path.is_file())
    assert tomllib.loads((project / "fluxlit.toml").read_text())["target"] == "app:app"


def test_it_is_a_project_of_uv_too(project: Path) -> None:
    table = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    assert table["name"] == "my-admin_portal"
    assert sorted(table["dependencies"]) == (project / "requirements.txt").read_text().split("\n")[:-1]
    lines = (project / "README.md").read_text().splitlines()
    assert "pip install -r requirements-dev.txt" in lines
    assert "With [uv](https://docs.astral.sh/uv/): `uv sync`, then `uv run fluxlit dev`." in lines


@pytest.mark.parametrize(
    ("url", "option"),
    [
        ("file:///home/me/my%20wheels/fluxlit_cli-1.0.0-py3-none-any.whl", " --find-links '/home/me/my wheels'"),
        ("file:///home/me/FluxLit/packages/fluxlit-cli", ""),
        ("https://example.com/fluxlit_cli-1.0.0-py3-none-any.whl", ""),
        (None, ""),
    ],
)
def test_a_project_names_the_wheels_that_its_fluxlit_is_from(
    url: str | None, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = None if url is None else json.dumps({"url": url})
    monkeypatch.setattr(metadata.Distribution, "read_text", lambda *_: origin)
    monkeypatch.setattr(metadata.PathDistribution, "read_text", lambda *_: origin)
    own = recipe.files("portal", recipe.PROFILES["minimal"])
    assert f"\npip install{option} -r requirements-dev.txt\n" in own[PurePosixPath("README.md")].data.decode()


def test_it_overwrites_nothing(project: Path) -> None:
    (project / "app.py").write_text("mine")
    says(fluxlit("new", str(project)), 1, "exists and is not empty. Nothing was written")
    assert (project / "app.py").read_text() == "mine"


def test_an_empty_folder_may_be_filled_and_a_file_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert fluxlit("new", "empty", directory=tmp_path).returncode == 0
    assert (tmp_path / "empty" / "app.py").is_file()
    write(tmp_path, {"taken": ""})
    says(fluxlit("new", "taken", directory=tmp_path), 1, "taken exists and is a file.")


def test_the_current_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    assert fluxlit("new", ".", directory=tmp_path / "here").returncode == 0
    assert 'title="Here"' in (tmp_path / "here" / "app.py").read_text()


@pytest.mark.parametrize("name", ["9lives", "a b", 'quote"', "ünï", "../-x"])
def test_a_name_that_cannot_be_one(name: str, tmp_path: Path) -> None:
    says(fluxlit("new", "--", name, directory=tmp_path), 1, "is not a valid project name", "start with a letter")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    write(tmp_path, {"file": ""})
    says(
        fluxlit("new", "file/inside", directory=tmp_path),
        1,
        "file cannot be created: Not a directory. Nothing was written.",
    )


SCRIPT = """
import pandas as pd
import streamlit as st
from helper import heading

st.title(heading)
st.dataframe(pd.read_csv("data/sales.csv"))
"""
EXISTING = {
    "sales.py": SCRIPT,
    "helper.py": "heading  =  'Sales'\n",
    "data/sales.csv": "day,sum\n1,2\n",
    "pages/more.py": "import streamlit as st\nst.title('More')\n",
    ".streamlit/secrets.toml": "password = 'swordfish'\n",
    "service/__init__.py": "",
    "service/main.py": "from fastapi import FastAPI\nfrom service.rates import RATES\napp = FastAPI()\n"
    "@app.get('/rates')\ndef rates() -> dict[str, float]:\n    return RATES\n",
    "service/rates.py": "RATES = {'EUR': 1.0}\n",
    "unrelated.py": "",
}


@dataclass(frozen=True)
class Variant:
    """One way to make a project.

    Attributes:
        options: what follows the name.
        tests: how many tests the project has; 0 where they are those of another variant.
    """

    options: tuple[str, ...]
    tests: int


VARIANTS = {
    "minimal": Variant((), 5),
    "auth": Variant(("--profile", "auth"), 6),
    "full": Variant(("--profile", "full"), 6),
    "deploy": Variant(("--profile", "deploy"), 0),
    "streamlit": Variant(("--from-streamlit", "sales.py"), 2),
    "fastapi": Variant(("--from-fastapi", "service.main:app"), 2),
    "both": Variant(("-p", "deploy", "--from-streamlit", "sales.py", "--from-fastapi", "service.main:app"), 0),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_project_passes_its_tests_the_linter_and_the_doctor(name: str, tmp_path: Path) -> None:
    variant = VARIANTS[name]
    write(tmp_path, EXISTING)
    done = fluxlit("new", "portal", *variant.options, directory=tmp_path)
    assert (done.returncode, done.stdout) == (0, "Created portal. Next:\n  cd portal\n  fluxlit dev\n"), done.stderr
    project = tmp_path / "portal"
    if variant.tests:
        passes(project, variant.tests)
    check(project, "ruff", "check", "--no-cache", ".")
    check(project, "ruff", "format", "--no-cache", "--check", ".")
    command(project, "doctor", "--port", "0")
    if {"deploy", "full"} & {*variant.options}:
        shipped = command(project, "build", "--compose", "--diff", "--json")
        files = {file["path"]: file["status"] for file in json.loads(shipped)["files"]}
        assert {"Dockerfile", ".dockerignore", "compose.yaml"} < files.keys()
        assert set(files.values()) == {"same"}
        command(project, "build", "--check")


def test_a_project_with_a_login_starts_without_its_provider_and_guards_what_it_has(tmp_path: Path) -> None:
    assert fluxlit("new", "portal", "--profile", "auth", directory=tmp_path).returncode == 0
    with development(tmp_path / "portal") as dev, httpx.Client(base_url=dev.url, trust_env=False, timeout=60) as client:
        browser = {"accept": "text/html"}
        assert client.get("/", headers=browser).status_code == 200
        assert client.get("/api/me").status_code == 401
        asked = client.get("/account", headers=browser)
        assert (asked.status_code, asked.headers["location"]) == (302, "/api/auth/login?return_to=%2Faccount")
        # There is no server at login.example.com, which a page reports.
        answer = client.get(asked.headers["location"], headers=browser)
        assert (answer.status_code, "Sign-in is not available now" in answer.text) == (503, True)


@pytest.mark.parametrize("hidden", ["fluxlit_auth", "none"])
def test_what_is_not_installed_is_a_step_of_its_own(hidden: str, tmp_path: Path) -> None:
    program = (
        "import sys; from importlib import metadata; found = metadata.version\n"
        "def version(name):\n"
        f"    if name.replace('-', '_') == {hidden!r}: raise metadata.PackageNotFoundError(name)\n"
        "    return found(name)\n"
        "metadata.version = version\n"
        "from fluxlit_cli.main import main; main(['new', 'portal', '--profile', 'auth'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=clean_environ(), capture_output=True, text=True, check=True
    )
    steps = [line.strip() for line in done.stdout.splitlines()[1:]]
    install = ["pip install -r requirements.txt"] if hidden == "fluxlit_auth" else []
    assert steps == ["cd portal", *install, "fluxlit dev"]


def test_secrets_are_made_for_this_machine_alone(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert fluxlit("new", name, "--profile", "auth", directory=tmp_path).returncode == 0
    texts = [(tmp_path / name / ".env").read_text() for name in ("one", "two")]
    assert texts[0] != texts[1]
    assert (tmp_path / "one" / ".env").stat().st_mode & 0o777 == 0o600
    assert ".env" in (tmp_path / "one" / ".gitignore").read_text().splitlines()
    assert "FLUXLIT_SECRET_KEY=\n" in (tmp_path / "one" / ".env.example").read_text()


def test_what_is_adopted_is_copied_with_what_it_needs_and_without_secrets(tmp_path: Path) -> None:
    write(tmp_path, EXISTING)
    done = fluxlit(
        "new", "portal", "--from-streamlit", "sales.py", "--from-fastapi", "service.main:app", directory=tmp_path
    )
    copied = [path for path in EXISTING if (tmp_path / "portal" / path).is_file()]
    assert copied == [
        "sales.py",
        "helper.py",
        "data/sales.csv",
        "pages/more.py",
        "service/__init__.py",
        "service/main.py",
        "service/rates.py",
    ]
    assert "data/sales.csv, helper.py, pages/more.py, sales.py." in done.stderr
    assert (tmp_path / "portal" / "helper.py").read_text() == EXISTING["helper.py"]


def test_what_lies_in_the_folder_is_adopted_there_and_stays_as_it_is(tmp_path: Path) -> None:
    here = {"app.py": EXISTING["sales.py"], "README.md": "mine", "helper.py": "heading = 'Sales'\n"}
    write(tmp_path, {**EXISTING, **here})
    folder = tmp_path.rename(tmp_path.parent / "portal")
    done = fluxlit("new", ".", "--from-streamlit", "app.py", "--from-fastapi", "service.main:app", directory=folder)
    assert (done.returncode, done.stdout) == (0, "Created portal. Next:\n  fluxlit dev\n"), done.stderr
    assert {path: (folder / path).read_text() for path in here} == here
    assert "Not changed: README.md. The project needs fluxlit-cli" in done.stderr
    assert tomllib.loads((folder / "fluxlit.toml").read_text())["target"] == "fluxlit_app:app"
    assert "2 passed" in check(folder, "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider")  # as a program
    # Once more would overwrite it.
    says(
        fluxlit("new", ".", "--from-streamlit", "app.py", directory=folder), 1, "fluxlit.toml", "in . already. Nothing"
    )


def test_a_dry_run_names_the_files_and_writes_none(tmp_path: Path) -> None:
    done = fluxlit("new", "portal", "--profile", "deploy", "--dry-run", directory=tmp_path)
    assert done.returncode == 0
    assert {"write portal/Dockerfile", "write portal/app.py", "write portal/tests/test_app.py"} <= {
        *done.stdout.splitlines()
    }
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--from-streamlit", "nowhere.py"), "nowhere.py is not a Python file"),
        (("--from-streamlit", "broken.py"), "broken.py:1: "),
        (("--from-fastapi", "nowhere:app"), "nowhere cannot be imported from"),
        (("--from-fastapi", "broken:app"), "SyntaxError"),
        (("--from-fastapi", "ends:app"), "ends cannot be imported from"),
        (("--from-fastapi", "service.main:api"), "service.main has no attribute 'api'. Did you mean service.main:app?"),
        (("--from-fastapi", "service.rates:RATES"), "is a dict, not a FastAPI object."),
        (("--from-fastapi", "a b"), "is not valid: write module:attribute"),
        (("--profile", "auth", "--from-streamlit", "sales.py"), "with the profiles minimal and deploy"),
        (("--from-fastapi", "fluxlit_there:app"), "is a FluxLit object already"),
    ],
)
def test_what_cannot_be_adopted(options: tuple[str, ...], message: str, tmp_path: Path) -> None:
    broken = {"broken.py": "def f(:\n", "ends.py": "raise SystemExit(3)\n"}
    there = {"fluxlit_there.py": "from fluxlit import FluxLit\napp = FluxLit()\n"}
    write(tmp_path, {**EXISTING, **broken, **there})
    before = set(tmp_path.rglob("*"))
    says(fluxlit("new", "portal", *options, directory=tmp_path), 1, message)
    assert {path for path in set(tmp_path.rglob("*")) - before if "__pycache__" not in path.parts} == set()


def test_a_disk_that_refuses_leaves_nothing_behind(tmp_path: Path) -> None:
    write(tmp_path, {"mine.txt": ""})
    changes = plan(tmp_path, {PurePosixPath("a/b.txt"): Content(b"b")}, keep=False)
    long = Change(PurePosixPath("c" * 300), tmp_path / ("c" * 300), Content(b"c"), kept=False)
    with pytest.raises(NewError, match=r"cannot be created: File name too long\. Nothing was written"):
        write_project([*changes, long])
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
