"""Lock files of other tools become requirements with hashes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fluxlit_deploy.dependencies import LockKind, Wanted, find_dependencies
from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.locks import Choice, pdm_lines, pipenv_lines, poetry_lines, pylock_lines

POETRY_2 = """
[[package]]
name = "fluxlit-cli"
version = "1.0.0"
groups = ["main"]
files = [{file = "a.whl", hash = "sha256:bb"}, {file = "a.tar.gz", hash = "sha256:aa"}]
[[package]]
name = "colorama"
version = "0.4"
groups = ["main", "dev"]
markers = {main = "sys_platform == 'win32'", dev = "python_version >= '3'"}
files = [{file = "c", hash = "sha256:cc"}]
[[package]]
name = "redis"
version = "8"
groups = ["main"]
optional = true
markers = "extra == 'store'"
files = [{file = "d", hash = "sha256:dd"}]
[[package]]
name = "pytest"
version = "9"
groups = ["dev"]
files = [{file = "e", hash = "sha256:ee"}]
"""
POETRY_1 = """
[[package]]
name = "fluxlit-cli"
version = "1.0.0"
files = [{file = "a.whl", hash = "sha256:aa"}]
[package.dependencies]
Typer = ">=0.20"
colorama = {version = "*", markers = "platform_system == 'Windows'"}
[[package]]
name = "typer"
version = "0.20"
files = [{file = "b.whl", hash = "sha256:bb"}]
[[package]]
name = "colorama"
version = "0.4"
files = [{file = "c", hash = "sha256:cc"}]
[[package]]
name = "pytest"
version = "9"
files = [{file = "e", hash = "sha256:ee"}]
"""
PYPROJECT = (
    '[tool.poetry.dependencies]\npython = "^3.11"\nfluxlit-cli = "^1.0"\n'
    '[tool.poetry.group.dev.dependencies]\npytest = "*"\n'
)
CLI = "fluxlit-cli==1.0.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb"


def test_a_lock_of_poetry_2_names_groups_and_markers(tmp_path: Path) -> None:
    (tmp_path / "poetry.lock").write_text(POETRY_2)

    assert poetry_lines(tmp_path, Choice()) == [CLI]
    assert poetry_lines(tmp_path, Choice(extras=("store",))) == [CLI, "redis==8 \\\n    --hash=sha256:dd"]
    assert [each.partition("==")[0] for each in poetry_lines(tmp_path, Choice(groups=("dev",)))] == [
        "colorama",
        "fluxlit-cli",
        "pytest",
    ]


def test_a_lock_of_poetry_1_is_followed_from_the_project(tmp_path: Path) -> None:
    (tmp_path / "poetry.lock").write_text(POETRY_1)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)

    def names(choice: Choice) -> list[str]:
        return [each.partition("==")[0] for each in poetry_lines(tmp_path, choice)]

    assert names(Choice()) == ["fluxlit-cli", "typer"]
    assert names(Choice(groups=("dev",))) == ["fluxlit-cli", "pytest", "typer"]


def test_sources_of_poetry_are_kept(tmp_path: Path) -> None:
    package = '[[package]]\nname = "{}"\nversion = "1"\ngroups = ["main"]\n[package.source]\n{}\n'
    (tmp_path / "poetry.lock").write_text(
        package.format("a", 'type = "git"\nurl = "https://git.example.com/a"\nresolved_reference = "0a1b"')
        + package.format("b", 'type = "directory"\nurl = "libs/b"')
        + package.format("c", 'type = "legacy"\nurl = "https://packages.example.com/simple"')
    )

    assert poetry_lines(tmp_path, Choice()) == [
        "--extra-index-url https://packages.example.com/simple",
        "./libs/b",
        "a @ git+https://git.example.com/a@0a1b",
        "c==1",
    ]


def test_a_lock_of_pdm(tmp_path: Path) -> None:
    (tmp_path / "pdm.lock").write_text(
        '[[package]]\nname = "a"\nversion = "1"\ngroups = ["default"]\nmarker = "os_name == \'posix\'"\n'
        'files = [{file = "a", hash = "sha256:aa"}]\n'
        '[[package]]\nname = "a"\nversion = "1"\nextras = ["x"]\ngroups = ["default"]\n'
        '[[package]]\nname = "b"\nversion = "2"\ngroups = ["dev"]\nfiles = [{file = "b", hash = "sha256:bb"}]\n'
    )

    assert pdm_lines(tmp_path, Choice()) == ["a==1 ; os_name == 'posix' \\\n    --hash=sha256:aa"]
    assert len(pdm_lines(tmp_path, Choice(groups=("dev",)))) == 2


def test_a_lock_of_pipenv(tmp_path: Path) -> None:
    lock = {
        "_meta": {"sources": [{"url": "https://pypi.org/simple"}, {"url": "https://packages.example.com/simple"}]},
        "default": {
            "a": {"version": "==1", "hashes": ["sha256:aa"], "markers": "python_version >= '3'", "extras": ["x"]},
            "b": {"git": "https://git.example.com/b", "ref": "0a1b"},
            "own": {"path": ".", "editable": True},
        },
        "develop": {"c": {"version": "==3"}},
    }
    (tmp_path / "Pipfile.lock").write_text(json.dumps(lock))

    assert pipenv_lines(tmp_path, Choice()) == [
        "--extra-index-url https://packages.example.com/simple",
        ".",
        "a[x]==1 ; python_version >= '3' \\\n    --hash=sha256:aa",
        "b @ git+https://git.example.com/b@0a1b",
    ]


def test_what_was_made_of_a_lock_knows_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "poetry.lock").write_text(POETRY_2)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)

    found = find_dependencies(tmp_path)

    assert (found.kind, found.file, found.has_command) == (LockKind.HASHED, "poetry.lock", True)
    assert found.generated == f"{CLI}\n"
    assert [path for path, _ in found.digests] == ["poetry.lock"]
    assert not find_dependencies(tmp_path).private_index
    assert find_dependencies(tmp_path, Wanted(extras=("store",))).has_redis


@pytest.mark.parametrize("name", ["poetry.lock", "pdm.lock"])
def test_a_lock_goes_before_a_list(name: str, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("other\n")
    (tmp_path / name).write_text(POETRY_2.replace('"main"', '"main", "default"'))

    assert find_dependencies(tmp_path).file == name
    assert find_dependencies(tmp_path, Wanted(requirements="requirements.txt")).file == "requirements.txt"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"poetry.lock": POETRY_2, "pyproject.toml": PYPROJECT + '[tool.poetry.dependencies.new]\nversion = "1"\n'},
         r"poetry\.lock is older .* lacks new\. Lock them again \(poetry lock\)"),
        ({"pdm.lock": "", "pyproject.toml": '[project]\nname = "a"\ndependencies = ["b", "c; os_name == \'nt\'"]\n'},
         r"pdm\.lock is older .* lacks b\. Lock them again \(pdm lock\)"),
        ({"Pipfile.lock": '{"default": {"a": {"version": "==1"}}}', "Pipfile": '[packages]\na = "*"\nb = "*"\n'},
         r"Pipfile\.lock is older .* lacks b\. Lock them again \(pipenv lock\)"),
    ],
)  # fmt: skip
def test_a_lock_that_lacks_a_dependency_is_refused(files: dict[str, str], message: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    with pytest.raises(DeployError, match=message):
        find_dependencies(tmp_path)


PYLOCK = """
lock-version = "1.0"
created-by = "pdm"
extras = ["store"]
dependency-groups = ["dev", "serve"]
default-groups = ["serve"]
[[packages]]
name = "fluxlit-cli"
version = "1.0.0"
index = "https://index.example/simple"
wheels = [{ name = "a.whl", url = "https://files.example/a.whl", hashes = { sha256 = "aa" } }]
sdist = { name = "a.tar.gz", url = "https://files.example/a.tar.gz", hashes = { sha256 = "bb" } }
[[packages]]
name = "colorama"
version = "0.4"
marker = "sys_platform == 'win32'"
[[packages]]
name = "uvloop"
version = "0.22"
marker = "platform_machine == 'x86_64'"
wheels = [{ name = "b.whl", url = "https://files.example/b.whl", hashes = { sha256 = "cc" } }]
[[packages]]
name = "gunicorn"
version = "24"
marker = "'serve' in dependency_groups"
wheels = [{ name = "c.whl", hashes = { sha256 = "dd" } }]
[[packages]]
name = "redis"
version = "8"
marker = "'store' in extras"
wheels = [{ name = "d.whl", hashes = { sha256 = "ee" } }]
[[packages]]
name = "pytest"
version = "9"
marker = "'dev' in dependency_groups"
[[packages]]
name = "reports"
vcs = { type = "git", url = "https://git.example/reports", commit-id = "abc", subdirectory = "lib" }
[[packages]]
name = "own"
directory = { path = "libs/own", editable = true }
"""


def test_a_pylock_is_read_by_platform_extras_and_groups(tmp_path: Path) -> None:
    """https://packaging.python.org/en/latest/specifications/pylock-toml/."""
    (tmp_path / "pylock.toml").write_text(PYLOCK)

    first = [
        "--extra-index-url https://index.example/simple",
        "./libs/own",
        "fluxlit-cli==1.0.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb",
        "gunicorn==24 \\\n    --hash=sha256:dd",
    ]
    last = [
        "reports @ git+https://git.example/reports@abc#subdirectory=lib",
        "uvloop==0.22 ; platform_machine == 'x86_64' \\\n    --hash=sha256:cc",
    ]
    assert pylock_lines(tmp_path, Choice()) == [*first, *last]
    store = "redis==8 \\\n    --hash=sha256:ee"
    assert pylock_lines(tmp_path, Choice(extras=("store",))) == [*first, store, *last]
    assert "pytest==9" in pylock_lines(tmp_path, Choice(groups=("dev",)))

    (tmp_path / "pylock.toml").write_text('[[packages]]\nname = "fluxlit-cli"\n')
    with pytest.raises(DeployError, match="does not name the version of fluxlit-cli"):
        pylock_lines(tmp_path, Choice())
