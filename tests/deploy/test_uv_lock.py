"""A choice of extras, groups and members reaches packages of a uv.lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.uv_lock import read_lock

LOCK = """
[[package]]
name = "portal"
source = { editable = "." }
dependencies = [{ name = "a", extra = ["x"] }]
[package.optional-dependencies]
web = [{ name = "web-only" }]
[package.dev-dependencies]
prod = [{ name = "prod-only" }]
[[package]]
name = "a"
source = { registry = "https://pypi.org/simple" }
[package.optional-dependencies]
x = [{ name = "b" }]
y = [{ name = "c" }]
[[package]]
name = "b"
source = { registry = "https://pypi.org/simple" }
dependencies = [{ name = "a" }]
[[package]]
name = "c"
[[package]]
name = "web-only"
[[package]]
name = "prod-only"
"""


@pytest.mark.parametrize(
    ("extras", "groups", "more"),
    [((), (), set()), (("web",), (), {"web-only"}), ((), ("prod",), {"prod-only"})],
)
def test_only_what_is_chosen_is_reached(
    extras: tuple[str, ...], groups: tuple[str, ...], more: set[str], tmp_path: Path
) -> None:
    (tmp_path / "uv.lock").write_text(LOCK)
    lock = read_lock(tmp_path)

    assert lock.reached(extras, groups) == {"portal", "a", "b"} | more
    assert lock.place_of("web-only") == 'extras = ["web"]'
    assert lock.place_of("prod-only") == 'groups = ["prod"]'
    assert lock.folders(lock.packages) == {"portal": "."}


def test_a_package_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text(LOCK)

    with pytest.raises(DeployError, match=r"uv\.lock has no package other"):
        read_lock(tmp_path, "other")
