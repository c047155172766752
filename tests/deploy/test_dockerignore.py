"""The .dockerignore keeps secrets out and a project's own lines in."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxlit_deploy.dockerignore import (
    Ignored,
    context_files,
    decided_by,
    git_patterns,
    ignore_text,
    inspect_ignored,
    matcher,
    read_ignore,
)


def stays_out(text: str, path: str) -> bool:
    return matcher(read_ignore(text))(path)


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("a", "a", True),
        ("a", "a/b", True),
        ("a", "b/a", False),
        ("**/a", "b/c/a", True),
        ("**/a", "a", True),
        ("*.py", "app.py", True),
        ("*.py", "src/app.py", False),
        ("src/**/x", "src/a/b/x", True),
        ("**/*.py[cod]", "a/b.pyc", True),
        ("a?c", "abc", True),
        ("a.c", "abc", False),
        ("/a/", "a", True),
    ],
)
def test_patterns_mean_what_they_mean_to_docker(pattern: str, path: str, matches: bool) -> None:
    assert (decided_by(read_ignore(pattern), path) is not None) == matches
    assert stays_out(pattern, path) == matches


def test_the_last_line_decides() -> None:
    assert stays_out("*\n!src\nsrc/a", "src/a/b")
    assert not stays_out("*\n!src\nsrc/a", "src/b")
    assert not stays_out("[z-a]", "z")


@pytest.mark.parametrize(
    "path",
    [
        *(".env", ".env.production", ".envrc", "config/prod.env", ".streamlit/secrets.toml", "secrets/a"),
        *("service-account.json", "my-service-account-key.json", "client_secret_123.json", "token.json"),
        *("portal-firebase-adminsdk-x1.json", "credentials.json", "aws/credentials", "db_password.txt", "s.secret"),
        *("certs/edge.key", "certs/edge.pem", "store.p12", "server.pfx", "AuthKey_1.p8", "id_rsa", ".ssh/id_ed25519"),
        *(".netrc", ".pypirc", "pip.conf", ".npmrc", ".pgpass", ".htpasswd", ".git-credentials", ".vault_pass"),
        *("prod.tfvars", "terraform.tfstate", "kubeconfig", ".kube/config", ".aws/credentials", ".docker/config.json"),
        *(".config/gcloud/application_default_credentials.json", ".bash_history", "keys.kdbx", "vpn.ovpn"),
        *(".dbt/profiles.yml", ".direnv/x", "token.pickle", "dump.sql", "backup.sql.gz"),
        *("data.sqlite3", "app.db", "env/bin/python", "venv/bin/python", ".venv/x", "settings.local.toml"),
    ],
)
def test_secrets_and_local_files_stay_out(path: str) -> None:
    text = ignore_text(Ignored(), ["app.py"])

    assert stays_out(text, path)
    if "/" not in path and path != "app.db":
        assert stays_out(text, f"deep/down/{path}")


@pytest.mark.parametrize(
    "path",
    [
        *("app.py", "pages/secrets_of_success.py", "tokenizer.json", "added_tokens.json", "monkey.json"),
        *(".streamlit/config.toml", "src/portal/passwords.py", "data/costs.csv", "docs/secret.md", "environment/a.py"),
    ],
)
def test_what_an_application_needs_gets_in(path: str) -> None:
    assert not stays_out(ignore_text(Ignored(), ["app.py"]), path)


def test_lines_of_the_project_are_kept_and_written_once(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text(
        "# by hand\nprivatecredentials/*\n**/.git\n*.tmp\n!tests\n!**/*.pem\n!certs/ca.pem\n"
    )
    (tmp_path / ".gitignore").write_text("wheels/\n")
    needed = ["app.py", "wheels/a.whl"]

    first = ignore_text(inspect_ignored(tmp_path), needed)
    (tmp_path / ".dockerignore").write_text(first)
    second = ignore_text(inspect_ignored(tmp_path), needed)

    assert first == second
    assert first.count("# by hand") == first.count("**/.git\n") == first.count("!certs/ca.pem") == 1
    assert stays_out(first, "privatecredentials/key")
    assert stays_out(first, "x.tmp")
    assert not stays_out(first, "tests/a.py")
    assert stays_out(first, "certs/edge.pem"), "an exception for many files does not let secrets through"
    assert not stays_out(first, "certs/ca.pem"), "an exception for one file does"
    assert not stays_out(first, "wheels/a.whl")
    assert stays_out(first, "wheels/b.whl")


def test_a_project_out_of_its_repository_keeps_what_git_named(tmp_path: Path) -> None:
    make(tmp_path, ".git/config", "portal/app.py", "elsewhere/app.py")
    (tmp_path / ".gitignore").write_text("*.xlsx\n")
    text = ignore_text(inspect_ignored(tmp_path / "portal"), ["app.py"])
    (tmp_path / ".gitignore").unlink()

    (tmp_path / "elsewhere" / ".dockerignore").write_text(text)

    assert "**/*.xlsx" in text
    assert ignore_text(inspect_ignored(tmp_path / "elsewhere"), ["app.py"]) == text


def test_a_list_of_what_gets_in_stays_one_and_lets_no_secret_through(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("*\n!src\n!requirements.txt\n")

    text = ignore_text(inspect_ignored(tmp_path), ["src/app.py"])

    assert stays_out(text, "notes.md")
    assert not stays_out(text, "src/app.py")
    assert stays_out(text, "src/.env")


def test_lines_in_the_folder_that_is_written_to_are_kept_too(tmp_path: Path) -> None:
    make(tmp_path, "out/x")
    (tmp_path / ".dockerignore").write_text("one\n")
    (tmp_path / "out" / ".dockerignore").write_bytes("\ufefftwo\r\n".encode())

    assert inspect_ignored(tmp_path, tmp_path / "out").own == ("one", "two")


@pytest.mark.parametrize(
    ("line", "out", "in_"),
    [
        ("*.csv", "a/b/c.csv", "a.csvx"),
        ("/data", "data/x", "a/data"),
        ("data/", "a/data/x", "database"),
        ("data/raw/", "data/raw/x", "a/data/raw/x"),
        ("**/raw", "a/raw", "a/draw"),
        ("logs/**", "logs/a/b", "log"),
        ("*.[oa]", "x.o", "x.b"),
        ("*.[!o-]", "x.a", "y"),
        ("\\#notes", "#notes", "notes"),
        ("\\!notes", "!notes", "notes"),
        ("notes   ", "notes", "note"),
        ("*\n!*.py", "a/b.txt", "a/b.py"),
    ],
)
def test_lines_of_gitignore_mean_the_same(line: str, out: str, in_: str) -> None:
    text = "\n".join(git_patterns(["", "# a comment", *line.split("\n")]))

    assert stays_out(text, out)
    assert not stays_out(text, in_)


def test_what_git_ignores_stays_out(tmp_path: Path) -> None:
    """Also by a file of a folder below or above the project."""
    make(tmp_path, ".git/config", "apps/portal/app.py", "apps/portal/data/.keep", "apps/portal/.venv/x")
    (tmp_path.parent / ".gitignore").write_text("beyond\n")
    (tmp_path / ".gitignore").write_text("*.key.txt\n/apps/portal/mine\n/apps/other/theirs\napps/*/each\n/top\n")
    (tmp_path / "apps/portal/.gitignore").write_text("*.xlsx\n")
    (tmp_path / "apps/portal/data/.gitignore").write_text("*\n!.keep\n")
    (tmp_path / "apps/portal/.venv/.gitignore").write_text("everything\n")

    found = inspect_ignored(tmp_path / "apps" / "portal")

    assert found.git == ("**/*.key.txt", "mine", "each", "**/*.xlsx", "data/**", "!data/**/.keep")


def test_a_folder_that_the_application_imports_gets_in(tmp_path: Path) -> None:
    make(tmp_path, "edge/models.py", "tests/test_app.py", "platform/systemd/app.service")
    (tmp_path / "app.py").write_text("import platform\nfrom edge.models import Model\n")

    text = ignore_text(inspect_ignored(tmp_path), ["app.py"])

    assert not stays_out(text, "edge/models.py")
    assert stays_out(text, "tests/test_app.py")
    assert stays_out(text, "platform/systemd/app.service")


def test_the_context_is_what_docker_would_send(tmp_path: Path) -> None:
    make(tmp_path, "app.py", ".git/config", "out/a", "out/b", ".venv/deep/x")

    assert list(context_files(tmp_path, read_ignore(".git\n.venv\nout\n!out/b"))) == ["app.py", "out/b"]
