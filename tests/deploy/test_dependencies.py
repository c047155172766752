"""What a project needs, found by looking at its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxlit_deploy.dependencies import find_dependencies

LOCK = '[[package]]\nname = "{}"\nsource = {{ registry = "https://index.example/simple" }}\n'
PYPROJECT = '[project]\nname = "portal"\ndependencies = ["{}"]\n'


@pytest.mark.parametrize(
    ("requirement", "has_redis"),
    [
        ("redis>=8", True),
        ("fluxlit>=1.0", True),
        ("fluxlit-sessions[encryption,redis]>=1.0", True),
        ("fluxlit_sessions[redis]", True),
        ("fluxlit-sessions[encryption]", False),
        ("fluxlit-sessions", False),
        ("fluxlit-cli", False),
        ("redis-om", False),
    ],
)
def test_the_client_of_redis_is_noticed(requirement: str, has_redis: bool, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.format(requirement))
    assert find_dependencies(tmp_path).has_redis == has_redis

    (tmp_path / "requirements.txt").write_text(f"{requirement}\n")
    assert find_dependencies(tmp_path).has_redis == has_redis


@pytest.mark.parametrize(("name", "has_redis"), [("redis", True), ("redis-om", False)])
def test_a_lock_names_everything(name: str, has_redis: bool, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.format("portal-parts"))
    (tmp_path / "uv.lock").write_text(LOCK.format(name))

    assert find_dependencies(tmp_path).has_redis == has_redis


@pytest.mark.parametrize(
    ("setting", "elsewhere", "private"),
    [
        ("", False, False),
        ('[[tool.uv.index]]\nname = "ours"\nurl = "https://ours.example/simple"\n', False, True),
        ('[tool.uv]\nindex-url = "https://ours.example/simple"\n', False, True),
        ("", True, True),
    ],
)
def test_a_lock_with_another_index_needs_credentials(
    setting: str, elsewhere: bool, private: bool, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.format("portal-parts") + setting)
    lock = LOCK.format("portal-parts")
    if elsewhere:
        lock += LOCK.format("own-parts").replace("index.example", "ours.example")
    (tmp_path / "uv.lock").write_text(lock)
    assert find_dependencies(tmp_path).private_index == private


def test_an_index_in_the_configuration_of_uv_alone_counts(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.format("portal-parts"))
    (tmp_path / "uv.lock").write_text(LOCK.format("portal-parts"))
    (tmp_path / "uv.toml").write_text('index-url = "https://ours.example/simple"\n')
    assert find_dependencies(tmp_path).private_index
