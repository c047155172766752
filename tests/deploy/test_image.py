"""Every generated Dockerfile is clean by hadolint and keeps its promises."""

from __future__ import annotations

import itertools
import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.projects import DEPENDENCIES, MODES, WISHES, dockerfile, project
from tests.integration.edges.engines import program

EVERY = list(itertools.product(DEPENDENCIES, WISHES, MODES))


def hadolint(*files: Path) -> subprocess.CompletedProcess[str]:
    """Run hadolint by its defaults, so that a remark of style is a failure."""
    command = [program("hadolint"), "--no-color", "--failure-threshold", "style", *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def written(tmp_path: Path) -> list[Path]:
    """Every Dockerfile, as a file."""
    for lock, wish, mode in EVERY:
        (tmp_path / f"{lock}-{wish}-{mode}.Dockerfile").write_text(dockerfile(project(lock, wish, mode)))
    return sorted(tmp_path.iterdir())


def test_hadolint_has_nothing_to_say(written: list[Path]) -> None:
    assert len(written) == len(EVERY)

    done = hadolint(*written)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == ""


def test_hadolint_notices_a_mistake(written: list[Path]) -> None:
    path = written[0]
    path.write_text(path.read_text().replace('CMD ["fluxlit", "run", "app:app"]', "CMD fluxlit run app:app"))

    assert "DL3025" in hadolint(path).stdout


@pytest.mark.parametrize(("lock", "wish", "mode"), EVERY)
def test_what_every_image_promises(lock: str, wish: str, mode: str) -> None:
    text = dockerfile(project(lock, wish, mode, gateway_port=0))
    lines = text.splitlines()

    assert lines[0] == "# syntax=docker/dockerfile:1"
    assert [line for line in lines if line.startswith(("USER", "STOPSIGNAL", "CMD", "EXPOSE"))] == [
        "USER 10001:10001",
        "EXPOSE 8000",
        "STOPSIGNAL SIGTERM",
        'CMD ["fluxlit", "run", "app:app"]',
    ]
    assert re.search(r'^HEALTHCHECK .*--start-period=90s .*CMD \["fluxlit", "healthcheck"\]$', text, re.MULTILINE)
    assert "    FLUXLIT_GATEWAY_HOST=0.0.0.0\n" in text
    assert "UV_COMPILE_BYTECODE=1" in text
    # What changes most comes last: the dependencies' layer must not depend on the sources.
    assert lock == "source" or text.index("# The dependencies alone.") < text.index("COPY . .")
    assert ("id=netrc" in text) == (wish == "everything" or lock == "source")
    assert "\n\n\n" not in text


def test_a_locked_project_is_installed_by_its_hashes() -> None:
    assert "uv sync --locked" in dockerfile(project("uv"))
    assert "--require-hashes" in dockerfile(project("hashed"))


@pytest.mark.parametrize("lock", DEPENDENCIES)
def test_the_front_end_is_prepared_once_and_when_the_command_is_there(lock: str) -> None:
    """In the layer that seldom changes, unless FluxLit is a folder."""
    text = dockerfile(project(lock))
    prepared = text.index('RUN ["/opt/venv/bin/fluxlit", "assets"]')

    assert text.count('"assets"') == 1
    assert (prepared < text.index("COPY . .")) == (lock not in {"source", "uv-checkout"})
    assert lock != "uv-checkout" or prepared > text.index("uv sync --locked")


def test_the_base_is_known_by_its_digest() -> None:
    expected = r"^ARG PYTHON_IMAGE=docker\.io/library/python:3\.12-slim@sha256:[0-9a-f]{64}$"

    assert re.search(expected, dockerfile(project()), re.MULTILINE)


def test_a_slow_start_gets_its_time() -> None:
    assert "--start-period=210s" in dockerfile(project(streamlit_start_timeout_s=180.0))
