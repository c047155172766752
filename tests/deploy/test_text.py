"""Text files are read in the encodings that uv and pip read."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluxlit_deploy.errors import DeployError
from fluxlit_deploy.text import read_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_and_line_ends(encoding: str, end: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(f"fluxlit-cli{end}größe{end}".encode(encoding))

    assert read_text(tmp_path / "a.txt") == "fluxlit-cli\ngröße\n"


@pytest.mark.parametrize("content", [b"\xff\xfea", b"\xc3", None])
def test_what_cannot_be_read_is_named(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)

    with pytest.raises(DeployError, match=r"^a\.txt cannot be read"):
        read_text(tmp_path / "a.txt")
