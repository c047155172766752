"""Which files a change of which reloads anything."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from fluxlit_cli.watch import changes, describe, is_source, names, source_folders
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


@pytest.mark.parametrize("name", SOURCES)
def test_what_a_person_edits_is_a_source(name: str, project: Path) -> None:
    assert is_source(project / name, project, ())


@pytest.mark.parametrize("name", [*NOT_SOURCES, "../elsewhere.py"])
def test_what_an_application_or_a_tool_writes_is_none(name: str, project: Path) -> None:
    assert not is_source(project / name, project, ())


def test_a_script_that_is_a_page_counts_wherever_it_is(project: Path) -> None:
    script = project.parent / "elsewhere.py"
    assert is_source(script, project, {script})


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
    """Act while the project is watched, then touch a last file; return the names that were reported until then."""
    watched = changes(project, lambda: frozenset({script} if script else ()))
    seen: set[str] = set()
    ready = asyncio.create_task(first_change(watched, project / "ready.py"))
    await ready
    act()
    last = project / "zz_last.py"
    last.write_text("")
    async with asyncio.timeout(30):
        async for changed in watched:
            seen |= {path.name for path in changed}
            if last.name in seen:
                break
            last.write_text("again")
    await watched.aclose()  # type: ignore[attr-defined]
    return seen - {"zz_last.py", "ready.py"}


async def first_change(watched: AsyncIterator[frozenset[Path]], file: Path) -> None:
    """Write a file until the watcher, which needs a moment to start, reports it."""
    report = asyncio.ensure_future(anext(watched))
    async with asyncio.timeout(30):
        while not report.done():
            file.write_text("")
            await asyncio.wait({report}, timeout=0.1)


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
