"""The memory of a container, as its control groups say. Costs nothing."""

from pathlib import Path

import pytest

from fluxlit._internal.container_memory import Memory, container_memory, machine_memory

Files = dict[str, tuple[str, int, int]]
GROUPS: dict[str, tuple[Files, str, Memory | None]] = {
    "no files": ({}, "0::/\n", None),
    "no limit": ({"": ("max", 5, 0)}, "0::/\n", None),
    "a limit": ({"": ("1000", 600, 100)}, "0::/\n", Memory(1000, 500)),
    "a limit above": ({"pod": ("1000", 600, 0), "pod/app": ("max", 9, 9)}, "0::/pod/app\n", Memory(1000, 600)),
    "least left": ({"pod": ("1000", 900, 0), "pod/app": ("500", 100, 0)}, "0::/pod/app\n", Memory(1000, 900)),
}


@pytest.mark.parametrize(("files", "own", "expected"), GROUPS.values(), ids=GROUPS)
def test_the_group_with_the_least_left_counts(tmp_path: Path, files: Files, own: str, expected: Memory | None) -> None:
    for name, (limit, used, inactive) in files.items():
        folder = tmp_path / "fs" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{used}\n")
        (folder / "memory.stat").write_text(f"anon 1\ninactive_file {inactive}\nactive_file 2\n")
    (tmp_path / "own").write_text(own)
    assert container_memory(tmp_path / "fs", tmp_path / "own") == expected
    (tmp_path / "own").write_text("0::/elsewhere\n")  # read once: the values change, the group does not
    assert container_memory(tmp_path / "fs", tmp_path / "own") == expected


def test_what_is_left_is_never_negative_and_a_machine_has_some() -> None:
    assert Memory(1000, 1200).free == 0
    assert machine_memory() > 1 << 20
