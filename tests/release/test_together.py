"""The six wheels in an empty environment: new, run, open in a browser."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.release.environments import IMPORT_NAMES, Environment, uv
from tests.release.smoke import get
from tests.support.chromium import open_visitor
from tests.support.processes import background, descendants, wait_until_gone


@pytest.fixture(scope="module")
def everything(install_alone: Callable[[str], Environment]) -> Environment:
    """What the meta-package brings: all of them."""
    return install_alone("fluxlit")


def test_all_six_are_installed_in_the_versions_of_the_tree(everything: Environment, wheels: dict[str, Path]) -> None:
    installed = everything.packages()
    everything.check()
    assert {name: installed[name] for name in IMPORT_NAMES} == {
        name: wheel.name.split("-")[1] for name, wheel in wheels.items()
    }


def test_a_target_that_is_not_there_leaves_no_traceback(everything: Environment, tmp_path: Path) -> None:
    done = everything.run(everything.command("fluxlit"), "run", "nowhere:app", cwd=tmp_path)
    assert done.returncode != 0
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_readme_of_a_new_project_can_be_followed(everything: Environment, tmp_path: Path) -> None:
    assert everything.run(everything.command("fluxlit"), "new", "demo", cwd=tmp_path).returncode == 0
    folder = tmp_path / "demo"
    [line] = [line for line in (folder / "README.md").read_text().splitlines() if line.startswith("pip install ")]
    *options, file = shlex.split(line.removeprefix("pip install "))
    uv("pip", "install", "--quiet", "--python", str(everything.python), *options, str(folder / file))
    # A whole suite, which starts servers, in an environment where nothing has been compiled.
    done = everything.run(everything.python, "-m", "pytest", "-q", cwd=folder, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.browser
def test_new_run_and_look(everything: Environment, browser: Browser, tmp_path: Path) -> None:
    fluxlit = everything.command("fluxlit")
    made = everything.run(fluxlit, "new", "demo", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    folder = tmp_path / "demo"
    with background([fluxlit, "run", "--port", "0"], cwd=folder, environ=everything.environ()) as server:
        url = server.wait_for(r"http://127\.0\.0\.1:\d+", timeout=60)[0]
        with open_visitor(browser) as visitor:
            visitor.visit(url)
            expect(visitor.heading("Demo")).to_be_visible()
            assert visitor.exceptions() == []
            assert visitor.problems == []
        below = descendants(server.process.pid)
        assert server.stop() == 0
        wait_until_gone(below)


def test_the_demo_is_in_the_wheels(everything: Environment, tmp_path: Path) -> None:
    with background(
        [everything.command("fluxlit"), "demo", "--port", "0"], cwd=tmp_path, environ=everything.environ()
    ) as server:
        url = server.wait_for(r"ready at (http://127\.0\.0\.1:\d+)", timeout=60)[1]
        assert get(f"{url}/api/readyz") == (200, '{"status":"ready","streamlit":"ok"}')
        assert "Ada" in get(f"{url}/api/guests")[1]
        below = descendants(server.process.pid)
        assert server.stop() == 0
        wait_until_gone(below)
