"""What a project needs, found by looking at its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxlit_deploy.dependencies import LockKind, Wanted, find_dependencies, requires_python
from fluxlit_deploy.errors import DeployError

LOCK = '[[package]]\nname = "{}"\nsource = {{ registry = "https://index.example/simple" }}\n'
PYPROJECT = '[project]\nname = "portal"\ndependencies = ["{}"]\n'


@pytest.mark.parametrize(
    ("requirement", "has_redis"),
    [
        ("redis>=8", True),
        ("fluxlit>=1.0", True),
        ("fluxlit-sessions[encryption,redis]>=1.0", True),
        ("fluxlit_sessions[redis]", True),
        ("fluxlit-sessions[encryption]", False),
        ("fluxlit-sessions", False),
        ("fluxlit-cli", False),
        ("redis-om", False),
    ],
)
def test_the_client_of_redis_is_noticed(requirement: str, has_redis: bool, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.format(requirement))
    assert find_dependencies(tmp_path).has_redis == has_redis

    (tmp_path / "requirements.txt").write_text(f"{requirement}\n")
    assert find_dependencies(tmp_path).has_redis == has_redis


@pytest.mark.parametrize(("name", "has_redis"), [("redis", True), ("redis-om", False)])
def test_a_lock_names_everything(name: str, has_redis: bool, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.format("portal-parts"))
    (tmp_path / "uv.lock").write_text(LOCK.format(name))

    assert find_dependencies(tmp_path).has_redis == has_redis


@pytest.mark.parametrize(
    ("setting", "elsewhere", "private"),
    [
        ("", False, False),
        ('[[tool.uv.index]]\nname = "ours"\nurl = "https://ours.example/simple"\n', False, True),
        ('[tool.uv]\nindex-url = "https://ours.example/simple"\n', False, True),
        ("", True, True),
    ],
)
def test_a_lock_with_another_index_needs_credentials(
    setting: str, elsewhere: bool, private: bool, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.format("portal-parts") + setting)
    lock = LOCK.format("portal-parts")
    if elsewhere:
        lock += LOCK.format("own-parts").replace("index.example", "ours.example")
    (tmp_path / "uv.lock").write_text(lock)
    assert find_dependencies(tmp_path).private_index == private


def test_an_index_in_the_configuration_of_uv_alone_counts(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.format("portal-parts"))
    (tmp_path / "uv.lock").write_text(LOCK.format("portal-parts"))
    (tmp_path / "uv.toml").write_text('index-url = "https://ours.example/simple"\n')
    assert find_dependencies(tmp_path).private_index


BUILD = '[build-system]\nrequires = ["setuptools>=68"]\nbuild-backend = "setuptools.build_meta"\n'
POETRY = '[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n'
PROJECT = '[project]\nname = "portal"\nversion = "0.1"\n'


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize(
    ("files", "kind", "file", "installs", "source"),
    [
        ({"requirements.txt": "fluxlit-cli\n"}, LockKind.UNHASHED, "requirements.txt", False, False),
        ({"requirements.txt": "\ufefffluxlit-cli\r\n"}, LockKind.UNHASHED, "requirements.txt", False, False),
        ({"requirements.txt": "fluxlit-cli\r\n".encode("utf-16")}, LockKind.UNHASHED, "requirements.txt", False, False),
        ({"requirements.txt": "fluxlit-cli==1 \\\r\n  --hash=sha256:aa\r\n-r base.txt\r\n", "base.txt": "x==1\r\n"},
         LockKind.HASHED, "requirements.txt", False, False),
        ({"requirements.in": "fluxlit-cli\n"}, LockKind.UNHASHED, "requirements.in", False, False),
        # a tools-only pyproject, and a flat layout with two folders: neither is a package
        ({"requirements.txt": "fluxlit-cli\n", "pyproject.toml": BUILD + "[tool.black]\nline-length = 100\n"},
         LockKind.UNHASHED, "requirements.txt", False, False),
        ({"requirements.txt": "fluxlit-cli\n", "pyproject.toml": BUILD + PROJECT, "one/a.py": "", "two/a.py": ""},
         LockKind.UNHASHED, "requirements.txt", False, False),
        ({"requirements.txt": "fluxlit-cli\n", "pyproject.toml": BUILD + PROJECT, "src/portal/__init__.py": ""},
         LockKind.UNHASHED, "requirements.txt", True, False),
        ({"requirements.txt": "-e .\nfluxlit-cli\n", "pyproject.toml": BUILD + PROJECT, "portal/__init__.py": ""},
         LockKind.UNHASHED, "requirements.txt", False, True),
        ({"requirements.txt": "-e .[web]\nfluxlit-cli\n"}, LockKind.UNHASHED, "requirements.txt", False, True),
        ({"requirements.txt": ".\nfluxlit-cli\n"}, LockKind.UNHASHED, "requirements.txt", False, True),
        ({"requirements.txt": "./libs/own\nfluxlit-cli\n"}, LockKind.UNHASHED, "requirements.txt", False, True),
        ({"requirements.txt": "-f ./wheels\nfluxlit-cli\n"}, LockKind.UNHASHED, "requirements.txt", False, False),
        ({"pyproject.toml": PROJECT + 'dependencies = ["fluxlit-cli"]\n[tool.pdm]\ndistribution = false\n'},
         LockKind.PYPROJECT, "pyproject.toml", False, False),
        ({"setup.py": "from setuptools import setup\nsetup(py_modules=['app'], install_requires=['fluxlit-cli'])\n"},
         LockKind.SOURCE, "setup.py", False, True),
        ({"setup.cfg": "[metadata]\nname = portal\n[options]\npy_modules = app\ninstall_requires =\n    fluxlit-cli\n",
          "setup.py": "from setuptools import setup\nsetup()\n"}, LockKind.SOURCE, "setup.py", False, True),
        ({"pyproject.toml": BUILD + PROJECT + 'dynamic = ["dependencies"]\n[tool.setuptools]\npackages = ["portal"]\n'
          '[tool.setuptools.dynamic]\ndependencies = {file = ["requirements/base.txt"]}\n',
          "requirements/base.txt": "fluxlit-cli\n"}, LockKind.SOURCE, "pyproject.toml", False, True),
        ({"environment.yml": "dependencies:\n  - python=3.11\n  - pip\n  - pip:\n    - fluxlit-cli\n"},
         LockKind.UNHASHED, "environment.yml", False, False),
        ({"pyproject.toml": POETRY + '[tool.poetry]\nname = "portal"\n[tool.poetry.dependencies]\npython = "^3.11"\n'
          'fluxlit-cli = "^1.0"\n'}, LockKind.UNHASHED, "pyproject.toml", False, False),
        ({"pyproject.toml": POETRY + '[tool.poetry]\nname = "portal"\n[tool.poetry.dependencies]\nfluxlit-cli = "1"\n',
          "portal/__init__.py": ""}, LockKind.UNHASHED, "pyproject.toml", True, False),
        ({"pyproject.toml": POETRY + '[tool.poetry]\nname = "portal"\npackage-mode = false\n'
          '[tool.poetry.dependencies]\nfluxlit-cli = "^1.0"\n', "portal/__init__.py": ""},
         LockKind.UNHASHED, "pyproject.toml", False, False),
        ({"Pipfile": '[packages]\nfluxlit-cli = "*"\n'}, LockKind.UNHASHED, "Pipfile", False, False),
    ],
)  # fmt: skip
def test_each_kind_of_project_is_understood(
    files: dict[str, str | bytes], kind: LockKind, file: str, installs: bool, source: bool, tmp_path: Path
) -> None:
    write(tmp_path, files)

    found = find_dependencies(tmp_path)

    assert (found.kind, found.file) == (kind, file)
    assert (found.installs_project, found.needs_source) == (installs, source)
    assert found.has_command
    assert "fluxlit-cli" in found.names


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"environment.yml": "dependencies: [python=3.11, gdal, pip, pip: [fluxlit-cli]]\n"}, "Only conda names: gdal"),
        ({"requirements/a.txt": "", "requirements/b.txt": ""}, r'\[build\] requirements = "requirements/b.txt"'),
        ({"requirements.txt": "a @ git+ssh://git@github.com/acme/a\n"}, "Git repository by SSH"),
        ({"pyproject.toml": BUILD + PROJECT + 'dynamic = ["dependencies"]\n', "one/a.py": "", "two/a.py": ""},
         "would find no package, or several"),
        ({"Pipfile": "[packages]\na = [1]\n"}, "describes a in several ways"),
        ({"pdm.lock": '[[package]]\nname = "a"\nversion = "1"\n'}, "pdm lock --strategy inherit_metadata"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_named_with_a_remedy(
    files: dict[str, str | bytes], message: str, tmp_path: Path
) -> None:
    write(tmp_path, files)

    with pytest.raises(DeployError, match=message):
        find_dependencies(tmp_path)


def test_a_member_of_a_workspace_is_sent_to_its_root(tmp_path: Path) -> None:
    write(tmp_path, {
        "pyproject.toml": '[tool.uv.workspace]\nmembers = ["apps/*"]\n', "uv.lock": "",
        "apps/web/pyproject.toml": PROJECT + 'dependencies = ["fluxlit-cli"]\n',
    })  # fmt: skip

    with pytest.raises(DeployError, match="member of the uv workspace in"):
        find_dependencies(tmp_path / "apps" / "web")


@pytest.mark.parametrize(
    ("wanted", "has_command", "hint"),
    [
        (Wanted(), False, 'extras = ["web"]'),
        (Wanted(extras=("web",)), True, 'extras = ["web"]'),
        (Wanted(groups=("dev",)), False, 'extras = ["web"]'),
    ],
)
@pytest.mark.parametrize("locked", [True, False])
def test_extras_and_groups_count_only_when_they_are_chosen(
    wanted: Wanted, has_command: bool, hint: str, locked: bool, tmp_path: Path
) -> None:
    project = PROJECT + 'dependencies = ["httpx"]\n[project.optional-dependencies]\nweb = ["fluxlit-cli"]\n'
    write(tmp_path, {"pyproject.toml": project + '[dependency-groups]\ndev = ["pytest"]\n'})
    if locked:
        write(tmp_path, {"uv.lock": WORKSPACE})

    found = find_dependencies(tmp_path, wanted)

    assert found.has_command == has_command
    assert found.hint == hint


WORKSPACE = """
[[package]]
name = "portal"
source = { virtual = "." }
dependencies = [{ name = "httpx" }, { name = "own" }]
[package.optional-dependencies]
web = [{ name = "fluxlit-cli" }]
[package.dev-dependencies]
dev = [{ name = "pytest" }]
[[package]]
name = "web"
source = { editable = "apps/web" }
dependencies = [{ name = "fluxlit-cli" }, { name = "own" }, { name = "repo" }]
[[package]]
name = "own"
source = { directory = "libs/own" }
[[package]]
name = "repo"
source = { git = "https://git.example.com/repo?rev=1#2" }
[[package]]
name = "httpx"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "pytest"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "fluxlit-cli"
source = { path = "wheels/fluxlit_cli-1.0-py3-none-any.whl" }
"""


def test_a_member_of_a_workspace_can_be_chosen_at_its_root(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": PROJECT, "uv.lock": WORKSPACE, "apps/web/pyproject.toml": PROJECT})

    root, web = find_dependencies(tmp_path), find_dependencies(tmp_path, Wanted(package="web"))

    assert (root.names, root.has_command, root.git) == (frozenset({"portal", "httpx", "own"}), False, False)
    assert (web.names, web.has_command, web.git) == (frozenset({"web", "fluxlit-cli", "own", "repo"}), True, True)
    assert web.folders == ("own", "web")
    assert web.local == ("apps/web/pyproject.toml", "wheels/fluxlit_cli-1.0-py3-none-any.whl")
    with pytest.raises(DeployError, match=r"uv\.lock has no package other"):
        find_dependencies(tmp_path, Wanted(package="other"))


def test_variables_and_repositories_in_requirements_are_noticed(tmp_path: Path) -> None:
    write(tmp_path, {"requirements.txt": "fluxlit-cli\na @ git+https://${GIT_TOKEN}@git.example.com/a\n"})

    found = find_dependencies(tmp_path)

    assert found.git
    assert found.variables == ("GIT_TOKEN",)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"pyproject.toml": PROJECT + 'requires-python = ">=3.12"\n'}, ("pyproject.toml", ">=3.12")),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython = "3.7.5"\n'}, ("pyproject.toml", "==3.7.5")),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.11"\n'}, ("pyproject.toml", ">=3.11,<4")),
        ({"Pipfile": '[requires]\npython_version = "3.11"\n'}, ("Pipfile", "==3.11.*")),
        ({"environment.yml": "dependencies:\n  - python=3.11\n"}, ("environment.yml", "==3.11.*")),
        ({"setup.py": "setup(python_requires='>=3.11, <3.13')\n"}, ("setup.py", ">=3.11, <3.13")),
        ({}, ("", "")),
    ],
)
def test_the_version_of_python_is_found(
    files: dict[str, str | bytes], expected: tuple[str, str], tmp_path: Path
) -> None:
    write(tmp_path, files)

    assert requires_python(tmp_path) == expected
