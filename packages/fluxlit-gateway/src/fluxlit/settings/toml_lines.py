"""The line of a key in a TOML document, which tomllib does not report."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any

_PROBE = "fluxlit-line-probe"


def line_of(text: str, key: str, table: Sequence[str] = ()) -> int | None:
    """Find the line where a key of a table first appears.

    Args:
        text: a valid TOML document.
        key: the key.
        table: path of the table that holds it; empty for the top level.

    Returns:
        The line, counted from 1, or `None` when the key is written in a way that has no line of its own.
    """
    lines = text.splitlines()
    assignment = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*[.=]""")
    dotted = r"\s*\.\s*".join(rf"""["']?{re.escape(part)}["']?""" for part in (*table, key))
    header = re.compile(rf"\s*\[\[?\s*{dotted}\s*[.\]]")
    full = re.compile(rf"\s*{dotted}\s*[.=]")
    for number, line in enumerate(lines, 1):
        before = lines[: number - 1]
        if (header.match(line) or full.match(line)) and _table_at(before) is not None:
            return number
        if assignment.match(line) and _table_at(before) == tuple(table):
            return number
    return None


def _table_at(lines: Sequence[str]) -> tuple[str, ...] | None:
    """Return the table of the next line, `None` inside a multi-line value.

    Parses the lines so far with one unique key at the end, and returns the table of that key.
    """
    try:
        document = tomllib.loads("\n".join([*lines, f"{_PROBE} = 0"]))
    except tomllib.TOMLDecodeError:
        return None
    return _find(document)


def _find(node: Any) -> tuple[str, ...] | None:
    if isinstance(node, list):
        return _find(node[-1]) if node else None
    if not isinstance(node, dict):
        return None
    if _PROBE in node:
        return ()
    for key, value in node.items():
        inner = _find(value)
        if inner is not None:
            return (key, *inner)
    return None
