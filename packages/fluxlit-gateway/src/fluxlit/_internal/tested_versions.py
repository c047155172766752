"""The versions of other distributions that FluxLit is tested with."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping

TESTED: Mapping[str, tuple[str, str]] = {
    "fastapi": ("0.139", "0.165"),
    "httpx": ("0.28", "0.28"),
    "starlette": ("1.6", "1.10"),
    "streamlit": ("1.61", "1.67"),
    "uvicorn": ("0.53", "0.54"),
    "websockets": ("16.0", "17.4"),
}
"""Distribution -> the first and the last minor release that are tested.

The floors and ceilings in the metadata of the distributions agree with it, and so does the table in the docs.
"""


def minor(version: str) -> tuple[int, int]:
    """The first two numbers of a version."""
    numbers = [int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:2]]
    major, second = [*numbers, 0, 0][:2]
    return major, second


def is_tested(distribution: str, version: str) -> bool:
    """Whether a version is within the tested range."""
    first, last = TESTED[distribution]
    return minor(first) <= minor(version) <= minor(last)


def tested_range(distribution: str) -> str:
    """The tested range for a message: `1.61 to 1.67`, or `0.28`."""
    return " to ".join(dict.fromkeys(TESTED[distribution]))


def untested() -> list[str]:
    """One phrase for each installed distribution whose version is outside of its tested range."""
    found = []
    for name in TESTED:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if not is_tested(name, version):
            found.append(f"{name} {version} (tested with {tested_range(name)})")
    return found
