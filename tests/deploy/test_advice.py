"""Findings about a project itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fluxlit_deploy.advice import advise
from fluxlit_deploy.base import REFRESH, base_image
from fluxlit_deploy.build_table import BuildTable
from fluxlit_deploy.generators import check
from tests.cli.command import fluxlit
from tests.deploy.projects import DEPENDENCIES, project


def ids(lock: str = "uv", **settings: Any) -> set[str]:
    return {each.id for each in advise(project(lock, **settings), redis=True)}


def test_there_is_nothing_to_say_about_a_good_project() -> None:
    assert ids() == set()


@pytest.mark.parametrize(
    ("lock", "expected"),
    [
        ("hashed", set()),
        ("unhashed", {"project-lock"}),
        ("pyproject", {"project-lock"}),
        ("source", {"project-lock"}),
    ],
)
def test_a_missing_lock_is_pointed_at(lock: str, expected: set[str]) -> None:
    assert ids(lock) == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"gateway_port": 0}, "project-port"),
        ({"gateway_uds": "/run/portal.sock"}, "project-socket"),
        ({"tls_certificate": "/srv/edge.crt"}, "project-tls"),
        ({"mode": "external", "streamlit_upstream": "http://127.0.0.1:8501"}, "project-upstream"),
        ({"mode": "external", "streamlit_upstream": "http://[::1]:8501"}, "project-upstream"),
    ],
)
def test_what_keeps_others_out_is_pointed_at(settings: dict[str, Any], expected: str) -> None:
    assert ids(**settings) == {expected}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"compose": {"prt": 1}}, "unknown key prt; did you mean port?"),
        ({"edge": {"tsl": True}}, "unknown key tsl; did you mean tls?"),
        ({"kubernetes": {"rute": "ingress"}}, "unknown key rute; did you mean route?"),
    ],
)
def test_a_table_that_is_wrong_is_found_without_writing(table: dict[str, Any], message: str, tmp_path: Path) -> None:
    subject = replace(project(), build=BuildTable(**table))

    [found] = check(subject, tmp_path)

    assert found.id == "project-build"
    assert message in found.message


def test_an_upstream_elsewhere_is_fine() -> None:
    assert ids(mode="external", streamlit_upstream="http://ui:8501") == set()


def test_a_command_that_is_missing_is_pointed_at() -> None:
    subject = replace(project(), dependencies=replace(DEPENDENCIES["uv"], has_command=False))

    assert {each.id for each in advise(subject)} == {"project-command"}


def test_a_base_whose_digest_is_not_known_is_pointed_at() -> None:
    subject = replace(project(), python="3.13")

    assert base_image(subject) == "docker.io/library/python:3.13-slim"
    assert {each.id for each in advise(subject)} == {"project-base"}


def test_how_to_renew_the_digest_is_explained() -> None:
    done = fluxlit("build", "--refresh-base")

    assert done.returncode == 0
    assert done.stdout == f"{REFRESH}\n"
    assert base_image(project()).rpartition(":")[0].rpartition("@")[0] in REFRESH
    assert "--build-arg PYTHON_IMAGE=" in REFRESH
