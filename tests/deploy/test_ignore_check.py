"""Findings about a .dockerignore and the files that it lets through."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fluxlit_deploy.description import Project
from fluxlit_deploy.dockerignore import inspect_ignored, read_ignore
from fluxlit_deploy.ignore_check import check, check_context, kept_out_by_git
from fluxlit_deploy.image import files
from fluxlit_deploy.options import Options
from tests.cli.command import fluxlit
from tests.deploy.projects import project

APP = 'from fluxlit import FluxLit\n\napp = FluxLit(title="Portal")\n'
TOKEN = "glpat-S3cr3tT0ken1234567abcd"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n-----END PRIVATE KEY-----\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def write(folder: Path, subject: Project) -> None:
    for file in files(subject, Options()):
        (folder / file.path).write_text(file.text)


def described(folder: Path) -> Project:
    return replace(project("unhashed"), ignored=inspect_ignored(folder))


@pytest.mark.parametrize(
    ("old", "new", "id_", "at"),
    [
        ("**/*.env\n", "**/*.env\n!**/.env.local\n!**/id_rsax\n", "secret", "!**/id_rsax"),
        ("**/.env*\n", "", "secret", ""),
        ("**/*secret*.toml\n", "", "secret", ""),
        ("**/*.key\n", "", "secret", ""),
        ("**/.git\n", "", "ballast", ""),
        ("**/.venv\n", "", "ballast", ""),
        ("**/.git\n", "**/.git\n*.lock\n", "needed", "*.lock"),
        ("**/.git\n", "**/.git\n*.py\n", "needed", "*.py"),
        ("**/.git\n", "**/.git\nwheels\n", "needed", "wheels"),
        ("**/.git\n", "*\n!app.py\n", "needed", "*"),
        ("**/.git\n", "**/.git\n[ab\n", "pattern", "[ab"),
        ("**/.git\n", "**/.git\n[z-a]\n", "pattern", "[z-a]"),
    ],
)
def test_each_mistake_in_a_dockerignore_is_found_where_it_is(
    old: str, new: str, id_: str, at: str, tmp_path: Path
) -> None:
    write(tmp_path, project())
    path = tmp_path / ".dockerignore"
    text = path.read_text()
    assert old in text
    # Behind all others, for what is added must decide.
    path.write_text(text.replace(old, "") + new)

    found = [each for each in check(project(), tmp_path) if each.id == f"ignore-{id_}"]

    assert found
    if at:
        assert at in [path.read_text().splitlines()[each.line - 1] for each in found if each.line]


def test_a_missing_dockerignore_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, project())
    (tmp_path / ".dockerignore").unlink()

    assert [(each.id, each.file, each.line) for each in check(project(), tmp_path)] == [
        ("ignore-missing", ".dockerignore", None)
    ]


def test_the_remedy_for_secrets_that_get_through_works(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("notes\n")
    [secret, ballast] = check(project(), tmp_path)
    assert (secret.id, ballast.id) == ("ignore-secret", "ignore-ballast")
    assert "--force" in secret.remedy

    write(tmp_path, replace(project(), ignored=inspect_ignored(tmp_path)))

    assert list(check(project(), tmp_path)) == []


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("requirements.txt", f"--index-url https://ci-bot:{TOKEN}@gitlab.example.com/simple"),
        ("requirements.txt", f"mylib @ git+https://x-access-token:{TOKEN}@github.com/acme/mylib"),
        ("requirements/prod.txt", "--extra-index-url https://reader:hunter2@packages.example.com/simple"),
        ("requirements-dev.in", "https://reader:p%40ss@packages.example.com/a-1.0-py3-none-any.whl"),
        ("constraints.txt", "# https://reader:hunter2@packages.example.com"),
        ("pyproject.toml", '[[tool.uv.index]]\nname = "own"\nurl = "https://reader:hunter2@packages.example.com"'),
        ("uv.lock", 'source = { registry = "https://reader:hunter2@packages.example.com/simple" }'),
        ("poetry.lock", 'url = "https://reader:hunter2@packages.example.com/simple"'),
        ("pdm.lock", 'git = "https://reader:hunter2@git.example.com/a.git"'),
        ("Pipfile", '[[source]]\nurl = "https://reader:hunter2@packages.example.com"'),
        ("Pipfile.lock", '{"_meta": {"sources": [{"url": "https://reader:hunter2@packages.example.com"}]}}'),
        ("environment.yml", "dependencies:\n  - pip:\n    - -i https://reader:hunter2@packages.example.com"),
        ("setup.py", f'install_requires=["a @ git+https://{TOKEN}@git.example.com/a.git"]'),
        (".gitmodules", "url = https://a1b2c3d4e5f6a7b8c9d0e1f2@dev.example.com/team/a"),
        ("uv.toml", f'index-url = "https://ghp_{"a1" * 18}@packages.example.com/simple"'),
    ],
)
def test_credentials_for_an_index_are_refused(name: str, line: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(f"{line}\n", encoding="utf-16" if name == "requirements-dev.in" else "utf-8")

    [found] = check_context(tmp_path, read_ignore(""))

    assert (found.id, found.severity, found.file) == ("project-credentials", "error", name)
    assert found.line
    assert not any(secret in str(found) for secret in (TOKEN, "hunter2", "p%40ss"))


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://packages.example.com/simple",
        "--index-url https://${USER}:${TOKEN}@packages.example.com/simple",
        "mylib @ git+https://${GITHUB_TOKEN}@github.com/acme/mylib",
        "mylib @ git+ssh://git@github.com/acme/mylib",
        "--index-url https://oauth2accesstoken@europe-python.pkg.dev/a/simple",
        "--index-url https://acme@pkgs.dev.azure.com/acme/_packaging/feed/pypi/simple",
        "# https://<user>:<password>@packages.example.com",
        "# https://user:***@packages.example.com",
    ],
)
def test_an_address_without_a_secret_is_fine(line: str, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(f"{line}\n")

    assert list(check_context(tmp_path, read_ignore(""))) == []


def test_a_private_key_is_found_by_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "robot.json").write_text(json.dumps({"private_key": KEY}))
    (tmp_path / "reader.py").write_text('if text.startswith("-----BEGIN PRIVATE KEY-----"):\n    pass\n')

    assert [each.file for each in check_context(tmp_path, read_ignore(""))] == ["settings/robot.json"]


def test_a_certificate_may_be_let_through_by_its_name_and_a_key_may_not(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("!certs/ca.pem\n!certs/edge.pem\n!certs/*.key\n")
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "ca.pem").write_text(CERTIFICATE)
    (tmp_path / "certs" / "edge.pem").write_text(CERTIFICATE + KEY)
    (tmp_path / "certs" / "edge.key").write_text(KEY)
    write(tmp_path, described(tmp_path))

    found = list(check_context(tmp_path, read_ignore((tmp_path / ".dockerignore").read_text())))

    assert [each.file for each in found] == ["certs/edge.pem"]


def test_files_that_only_git_ignores_are_named(tmp_path: Path) -> None:
    for name in ("models/big.pkl", "models/small.pkl", ".env", "app.py", "kept.pkl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / ".gitignore").write_text("*.pkl\n.env\n")
    (tmp_path / ".dockerignore").write_text("!kept.pkl\n")
    subject = described(tmp_path)
    write(tmp_path, subject)

    [found] = kept_out_by_git(subject, tmp_path, read_ignore((tmp_path / ".dockerignore").read_text()))

    assert found.message == "git ignores models/big.pkl, models/small.pkl, so the image goes without."
    assert found.severity == "warning"


def test_a_dockerignore_that_lets_through_what_git_ignores_is_found(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("")
    write(tmp_path, project("unhashed"))
    (tmp_path / ".gitignore").write_text("*.csv\n")

    [found] = check(described(tmp_path), tmp_path)

    assert (found.id, found.message) == ("ignore-git", "git ignores customers.csv, and the image gets it.")


def test_nothing_is_written_while_a_secret_would_get_into_the_image(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "requirements.txt").write_text(
        f"fluxlit-cli\n--extra-index-url https://ci:{TOKEN}@packages.example.com/simple\n"
    )

    done = fluxlit("build", directory=tmp_path)

    assert done.returncode == 1
    assert "error: requirements.txt:2: it holds a password or a token" in done.stderr
    assert "--secret id=netrc" in done.stderr
    assert "Nothing was written" in done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert not (tmp_path / "Dockerfile").exists()

    checked = fluxlit("build", "--check", directory=tmp_path)
    assert checked.returncode == 1
    assert "error: requirements.txt:2: it holds a password or a token" in checked.stdout
