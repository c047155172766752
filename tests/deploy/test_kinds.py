"""The files for each kind of project are complete, and pass the checks."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from fluxlit_deploy import ignore_check, image_check
from fluxlit_deploy.dependencies import find_dependencies
from fluxlit_deploy.dockerignore import matcher, read_ignore
from fluxlit_deploy.image import files, needed
from fluxlit_deploy.options import Options
from tests.deploy.container.kinds import KINDS, lock, write
from tests.deploy.projects import project


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_has_a_dockerfile_that_can_be_built(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    write(kind, tmp_path)
    if kind.locks:
        lock(tmp_path)
    subject = replace(project(), dependencies=find_dependencies(tmp_path, kind.wanted, "3.11"), target=kind.target)
    written = {str(file.path): file.text for file in files(subject, Options())}
    for path, text in written.items():
        (tmp_path / path).write_text(text)

    assert subject.dependencies.has_command
    assert (*image_check.check(subject, tmp_path), *ignore_check.check(subject, tmp_path)) == ()
    bound = set(re.findall(r"source=(\S+),target", written["Dockerfile"]))
    assert [path for path in (*bound, *needed(subject)) if not (tmp_path / path).exists()] == []
    stays_out = matcher(read_ignore(written[".dockerignore"]))
    assert [path for path in (*bound, *needed(subject)) if stays_out(path)] == []
