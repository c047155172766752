"""Read text files in the encodings that uv and pip read."""

from __future__ import annotations

import codecs
import tomllib
from pathlib import Path
from typing import Any

from fluxlit_deploy.errors import DeployError

# UTF-32 begins like UTF-16, but no tool that reads these files writes it.
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def read_text(path: Path) -> str:
    """Read a text file as UTF-8, or by its byte order mark.

    Raises:
        DeployError: it cannot be read or decoded.
    """
    try:
        return decode(path.read_bytes())
    except UnicodeDecodeError as error:
        raise DeployError(f"{path.name} cannot be read: byte {error.start} is not UTF-8. Save it as UTF-8.") from None
    except OSError as error:
        raise DeployError(f"{path.name} cannot be read: {error}.") from None


def decode(content: bytes) -> str:
    """Decode the content of a text file; every line ends with a line feed.

    Raises:
        ValueError: it is not valid in its encoding.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    return content.decode(encoding).replace("\r\n", "\n")


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; a missing one is empty.

    Raises:
        DeployError: it is not valid.
    """
    try:
        return tomllib.loads(read_text(path)) if path.is_file() else {}
    except tomllib.TOMLDecodeError as error:
        raise DeployError(f"{path.name} cannot be read: {error}.") from None
