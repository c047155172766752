"""The versions of other distributions that FluxLit is tested with."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import re
from collections.abc import Iterator, Mapping

logger = logging.getLogger("fluxlit")

TESTED: Mapping[str, tuple[str, str]] = {
    "fastapi": ("0.139", "0.165"),
    "httpx": ("0.28", "0.28"),
    "streamlit": ("1.61", "1.67"),
    "uvicorn": ("0.53", "0.54"),
    "websockets": ("16.0", "17.4"),
}
"""Distribution -> the first and the last minor release that are tested.

The floors in the metadata of fluxlit-gateway are the first ones. Where it has a ceiling, that is the release after the
last one.
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


def untested(installed: Mapping[str, str]) -> list[str]:
    """Phrases such as `httpx 1.0 (tested: 0.28)`, for untested versions.

    Args:
        installed: distribution -> version.
    """
    return [
        f"{name} {installed[name]} (tested: {tested_range(name)})"
        for name in TESTED
        if name in installed and not is_tested(name, installed[name])
    ]


def warn_of_untested() -> None:
    """Log one line if a distribution is outside of its tested range."""
    found = untested(dict(_installed()))
    if found:
        logger.warning("Versions that FluxLit is not tested with: %s. `fluxlit doctor` has more.", ", ".join(found))


def _installed() -> Iterator[tuple[str, str]]:
    for name in TESTED:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            yield name, importlib.metadata.version(name)
