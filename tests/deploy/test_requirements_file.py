"""Requirements files are read with includes, indexes and local paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.requirements_file import index_url, local_path, requirement_lines, requirement_name


def test_includes_and_continuations_are_followed(tmp_path: Path) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements.txt").write_text("-r requirements/base.txt  # first\na==1 \\\n  --hash=sha256:aa\n")
    (tmp_path / "requirements" / "base.txt").write_text("-c limits.txt\n-r ../requirements.txt\nb\n")
    (tmp_path / "requirements" / "limits.txt").write_text("c<2\n")

    found = [(file, line) for file, line in requirement_lines(tmp_path, "requirements.txt") if line]

    assert found == [
        ("requirements/limits.txt", "c<2"),
        ("requirements/base.txt", "b"),
        ("requirements.txt", "a==1    --hash=sha256:aa"),
    ]


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("a==1", None),
        ("./wheels/a.whl", "wheels/a.whl"),
        ("-e .[web]", "."),
        ("--editable=libs/a", "libs/a"),
        ("a @ file:libs/a", "libs/a"),
        ("a @ git+https://example.com/a", None),
        ("https://example.com/a.whl", None),
    ],
)
def test_local_paths_are_found(line: str, path: str | None) -> None:
    assert local_path(line) == path


def test_a_path_outside_the_project_is_refused() -> None:
    with pytest.raises(DeployError, match=r"refers to \.\./a, which is outside the project"):
        local_path("-e ../a")


def test_names_and_indexes() -> None:
    assert requirement_name("./wheels/fluxlit_cli-1.0-py3-none-any.whl") == "fluxlit-cli"
    assert requirement_name("-e git+https://example.com/a#egg=mylib") == "mylib"
    assert index_url("--extra-index-url https://example.com/simple") == "https://example.com/simple"
    assert index_url("a==1") == ""
