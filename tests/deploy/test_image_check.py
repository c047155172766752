"""Checks of a Dockerfile that was edited."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxlit_deploy.description import Project
from fluxlit_deploy.ignore_check import check as check_ignore
from fluxlit_deploy.image import files
from fluxlit_deploy.image_check import check as check_dockerfile
from fluxlit_deploy.options import Options
from tests.deploy.projects import DEPENDENCIES, MODES, project

CMD = 'CMD ["fluxlit", "run", "app:app"]'
HEALTH = 'CMD ["fluxlit", "healthcheck"]'


def write(folder: Path, subject: Project) -> None:
    for file in files(subject, Options()):
        (folder / file.path).write_text(file.text)


def findings(folder: Path, subject: Project | None = None) -> list[tuple[str, str, int | None]]:
    subject = subject or project()
    found = [*check_dockerfile(subject, folder), *check_ignore(subject, folder)]
    return [(each.id, each.file, each.line) for each in found]


def line_of(path: Path, text: str) -> int:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("lock", DEPENDENCIES)
def test_what_is_generated_is_fine(lock: str, mode: str, tmp_path: Path) -> None:
    subject = project(lock, "plain", mode)
    write(tmp_path, subject)

    assert findings(tmp_path, subject) == []


def test_wishes_are_fine_as_well(tmp_path: Path) -> None:
    subject = project("uv", "everything")
    write(tmp_path, subject)

    assert findings(tmp_path, subject) == []


def test_nothing_is_missed_where_there_is_nothing(tmp_path: Path) -> None:
    assert findings(tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "id_", "at"),
    [
        ("USER 10001:10001\n", "", "user", ""),
        ("USER 10001:10001", "USER root", "user", "USER root"),
        ("USER 10001:10001", "USER 0:0", "user", "USER 0"),
        ("USER 10001:10001", "USER appuser", "user-number", "USER appuser"),
        (CMD, "CMD fluxlit run app:app", "shell", "CMD fluxlit run"),
        (CMD, f"ENTRYPOINT exec sh\n{CMD}", "shell", "ENTRYPOINT"),
        (f"{CMD}\n", "", "command", ""),
        (CMD, 'CMD ["bash"]', "command", "bash"),
        (CMD, f'ENTRYPOINT ["tini", "--"]\n{CMD}', None, ""),
        (CMD, 'CMD ["./start.sh"]', None, ""),
        (CMD, 'CMD ["python", "-m", "fluxlit_cli", "run", "app:app"]', None, ""),
        (CMD, 'CMD ["fluxlit", "run", "main:app"]', "target", "main:app"),
        (CMD, 'CMD ["fluxlit", "dev", "app:app"]', "dev", '"dev"'),
        (CMD, 'CMD ["uvicorn", "app:app", "--workers", "2"]', "workers", "uvicorn"),
        ("FLUXLIT_GATEWAY_HOST=0.0.0.0", "NOTHING=1", "host", CMD),
        ("FLUXLIT_GATEWAY_HOST=0.0.0.0", "FLUXLIT_GATEWAY_HOST=127.0.0.1", "host", CMD),
        ("EXPOSE 8000", "EXPOSE 8080", "port", "EXPOSE"),
        (HEALTH, "NONE", "health", "HEALTHCHECK"),
        (HEALTH, "CMD curl --fail http://127.0.0.1:8000/api/readyz", "health-tool", "HEALTHCHECK"),
        ("STOPSIGNAL SIGTERM", "STOPSIGNAL SIGKILL", "signal", "STOPSIGNAL"),
        ("    PYTHONUNBUFFERED=1", "    FLUXLIT_SECRET_KEY=abcdef", "secret", "ENV PATH"),
        ("ARG VERSION=unknown", "ARG API_TOKEN=abcdef", "secret", "API_TOKEN"),
        ("ARG VERSION=unknown", "ENV STORE=redis://:abc@redis:6379/0", "secret", "ENV STORE"),
        ("WORKDIR /app\nCOPY . .", "WORKDIR /app\nCOPY .env /app/", "secret", "COPY .env"),
        ("uv sync --locked", "uv sync", "hashes", "type=cache"),
    ],
)
def test_each_mistake_in_a_dockerfile_is_found_where_it_is(
    old: str, new: str, id_: str | None, at: str, tmp_path: Path
) -> None:
    write(tmp_path, project())
    path = tmp_path / "Dockerfile"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))

    found = [each for each in findings(tmp_path) if each[0].startswith("docker-")]

    if id_ is None:
        assert found == []
    else:
        matching = [each for each in found if each[0] == f"docker-{id_}"]
        assert matching, found
        assert matching[0][1:] == ("Dockerfile", line_of(path, at) if at else None)


def test_a_tool_that_is_installed_may_be_used(tmp_path: Path) -> None:
    write(tmp_path, project())
    path = tmp_path / "Dockerfile"
    text = path.read_text().replace(HEALTH, "CMD curl --fail http://127.0.0.1:8000/api/readyz")
    path.write_text(text.replace("EXPOSE", "RUN apt-get install --yes curl=7.88\nEXPOSE"))

    assert findings(tmp_path) == []


def test_a_file_that_is_no_text_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_bytes(b"\xff\xfe")
    (tmp_path / ".dockerignore").write_text("*\n")

    assert [each[0] for each in findings(tmp_path) if each[1] == "Dockerfile"] == ["docker-syntax"]
