"""All files or none are written, and no work is lost."""

import os
from pathlib import Path, PurePosixPath

import pytest

from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.file import File
from fluxlit_deploy.writer import plan, write


def file(path: str, text: str = "new\n", mode: int = 0o644) -> File:
    return File(PurePosixPath(path), text, mode)


def tree(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_files_and_their_folders_appear(tmp_path: Path) -> None:
    output = tmp_path / "not" / "there"
    write(plan([file("a"), file("deep/down/b", "B"), file("run.sh", "#!/bin/sh\n", 0o755)], output), force=False)
    assert tree(output) == {"a": "new\n", "deep/down/b": "B", "run.sh": "#!/bin/sh\n"}
    assert os.access(output / "run.sh", os.X_OK)
    assert not os.access(output / "a", os.X_OK)


def test_one_file_that_differs_stops_all(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("by hand\n")
    changes = plan([file("a"), file("b"), file("c/d")], tmp_path)
    with pytest.raises(DeployError, match=r"^b is there already and would change. Nothing was written"):
        write(changes, force=False)
    assert tree(tmp_path) == {"b": "by hand\n"}
    assert not (tmp_path / "c").exists()


def test_force_replaces_and_the_same_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "same").write_text("new\n")
    (tmp_path / "other").write_bytes(b"\xff binary")
    before = (tmp_path / "same").stat().st_ino
    changes = plan([file("same"), file("other")], tmp_path)
    assert [change.status for change in changes] == ["same", "differs"]
    write(changes, force=True)
    assert tree(tmp_path) == {"same": "new\n", "other": "new\n"}
    assert (tmp_path / "same").stat().st_ino == before


def test_a_disk_that_refuses_in_the_middle_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_text("old a")
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target.name == "c":
            raise OSError(28, "No space left on device", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    changes = plan([file("a"), file("new/b"), file("c")], tmp_path)
    with pytest.raises(DeployError, match=r"c cannot be written: No space left on device. Nothing has changed"):
        write(changes, force=True)
    assert tree(tmp_path) == {"a": "old a"}
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("path", "message"), [("taken/x", "is a file, but a folder"), ("folder", "is a folder, but")])
def test_what_is_in_the_way_is_named(path: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DeployError, match=message):
        plan([file("first"), file(path)], tmp_path)


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../up", ""])
def test_a_file_outside_the_output_cannot_be_made(path: str) -> None:
    with pytest.raises(ValueError, match="does not stay inside"):
        file(path)


def test_the_difference_is_shown(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one\ntwo")
    (tmp_path / "b").write_bytes(b"\xff")
    changed, binary, fresh = plan([file("a", "one\nthree\n"), file("b"), file("c")], tmp_path)
    assert changed.diff() == "--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n one\n-two\n\\ No newline at end of file\n+three\n"
    assert binary.diff() == "Binary file b would be replaced\n"
    assert fresh.diff() == "--- /dev/null\n+++ b/c\n@@ -0,0 +1 @@\n+new\n"
