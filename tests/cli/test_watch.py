"""Which files a change of which reloads anything."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fluxlit_cli.watch import changes, describe, names, source_folders, sources
from tests.cli.command import write

SOURCES = ["app.py", "pages/home.py", "a/b/c.py", "fluxlit.toml", "pyproject.toml", ".env", ".streamlit/config.toml"]
NOT_SOURCES = [
    "data.csv",
    "notes.md",
    "other.toml",
    "database.sqlite",
    "uploads/picture.png",
    "__pycache__/app.cpython-311.pyc",
    "__pycache__/app.py",
    ".venv/lib/module.py",
    "env-of-mine/lib/module.py",
    "node_modules/x/setup.py",
    "build/lib/app.py",
    "dist/app.py",
    "thing.egg-info/app.py",
    ".git/hooks/hook.py",
    ".hidden/app.py",
    ".streamlit/data.json",
    "app.py.swp",
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write(tmp_path, dict.fromkeys([*SOURCES, *NOT_SOURCES, "env-of-mine/pyvenv.cfg"], ""))
    return tmp_path


def test_what_a_person_edits_is_a_source_and_what_a_tool_writes_is_none(project: Path) -> None:
    assert {str(path.relative_to(project)) for path in sources(project, ())} == set(SOURCES)


def test_a_script_that_is_a_page_counts_wherever_it_is(project: Path) -> None:
    scripts = {project.parent / "elsewhere.py", project / "build" / "lib" / "app.py"}
    write(project.parent, {"elsewhere.py": "", "other.py": ""})
    assert set(sources(project, scripts)) - set(sources(project, ())) == scripts


def test_only_folders_that_can_hold_sources_are_watched(project: Path) -> None:
    found = {str(folder.relative_to(project)) for folder in source_folders(project)}
    assert found == {".", "a", "a/b", "pages", "uploads", ".streamlit"}


def test_many_files_are_named_in_few_words(tmp_path: Path) -> None:
    assert names([tmp_path / "b.py", tmp_path / "a" / "c.py"], tmp_path) == "a/c.py, b.py"
    assert names([tmp_path / f"{number}.py" for number in range(5)], tmp_path) == "0.py, 1.py, 2.py and 2 more"


def test_a_syntax_error_tells_its_place() -> None:
    with pytest.raises(SyntaxError) as caught:
        compile("x = 1\ndef f(:\n", "pages/home.py", "exec")
    assert describe(caught.value) == "pages/home.py:2: invalid syntax"


async def collect(project: Path, act: Callable[[], None], script: Path | None = None) -> set[str]:
    """Act while the project is watched; return the reported names."""
    since = time.time()
    watched = changes(project, lambda: frozenset({script} if script else ()), since)
    seen: set[str] = set()
    (project / "first.py").write_text("")
    os.utime(project / "first.py", (since + 1, since + 1))  # the clock of files is coarse
    async with asyncio.timeout(60):
        async for changed in watched:
            names_of = {path.name for path in changed}
            seen |= names_of
            if "first.py" in names_of:
                act()
                (project / "last.py").write_text("")
            if "last.py" in names_of:
                break
    return seen - {"first.py", "last.py"}


@pytest.mark.anyio
async def test_saved_sources_are_reported_and_other_files_are_not(project: Path) -> None:
    def save() -> None:
        for name in [*SOURCES, *NOT_SOURCES]:
            (project / name).write_text("new")

    assert await collect(project, save) == {Path(name).name for name in SOURCES}


@pytest.mark.anyio
async def test_a_new_folder_is_watched_at_once(project: Path) -> None:
    def save() -> None:
        write(project, {"fresh/deep/page.py": "", "fresh/data.csv": ""})

    assert await collect(project, save) == {"page.py"}


@pytest.mark.anyio
async def test_a_deleted_source_is_reported(project: Path) -> None:
    assert await collect(project, (project / "pages/home.py").unlink) == {"home.py"}


@pytest.mark.anyio
async def test_a_script_outside_the_project_is_watched(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    script = tmp_path_factory.mktemp("elsewhere") / "legacy.py"
    script.write_text("")

    def save() -> None:
        script.write_text("new")
        script.with_name("other.py").write_text("new")

    assert await collect(project, save, script) == {"legacy.py"}


@pytest.mark.anyio
async def test_what_is_saved_before_the_watching_begins_is_reported(project: Path) -> None:
    since = time.time()
    (project / "app.py").write_text("saved while the application started")
    os.utime(project / "app.py", (since + 1, since + 1))
    async with asyncio.timeout(60):
        changed = await anext(changes(project, frozenset, since))
    assert {path.name for path in changed} == {"app.py"}


@pytest.mark.anyio
async def test_data_is_not_reported(project: Path) -> None:
    def save() -> None:
        for number in range(50):
            (project / f"{number}.csv").write_text("new")

    assert await collect(project, save) == set()


IGNORED = {
    ".gitignore": "*_pb2.py\n/generated\n!kept_pb2.py\n",
    "generated/client.py": "",
    "a/generated/client.py": "",
    "a/.gitignore": "made.py\n!b_pb2.py\n",
    "a/made.py": "",
    "made.py": "",
    "a/b_pb2.py": "",
    "orders_pb2.py": "",
    "kept_pb2.py": "",
    "generated/legacy.py": "",
}


def test_what_git_ignores_is_no_source(tmp_path: Path) -> None:
    write(tmp_path, IGNORED)
    found = {str(path.relative_to(tmp_path)) for path in sources(tmp_path, {tmp_path / "generated" / "legacy.py"})}
    assert found == {"a/generated/client.py", "made.py", "a/b_pb2.py", "kept_pb2.py", "generated/legacy.py"}


def test_the_rules_of_the_repository_hold_in_a_project_inside_it(tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": "made.py\n", ".git/HEAD": "", "project/made.py": "", "project/app.py": ""})
    assert [path.name for path in sources(tmp_path / "project", ())] == ["app.py"]
    (tmp_path / ".git" / "HEAD").unlink()
    (tmp_path / ".git").rmdir()
    assert {path.name for path in sources(tmp_path / "project", ())} == {"app.py", "made.py"}


def test_settings_count_although_git_ignores_them(tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": ".env\n.streamlit/\n", ".env": "", ".streamlit/secrets.toml": ""})
    assert {path.name for path in sources(tmp_path, ())} == {".env", "secrets.toml"}
