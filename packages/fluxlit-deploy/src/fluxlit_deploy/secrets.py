"""What gives a secret away that stands where everybody reads it."""

from __future__ import annotations

import re

_NAME = re.compile(r"SECRET|PASSWORD|PASSWD|TOKEN|CREDENTIAL|PRIVATE_KEY|API_KEY|REDISCLI_AUTH", re.IGNORECASE)
_URL = re.compile(r"://[^/@\s]*:[^/@\s$]+@")
_VARIABLE = re.compile(r"\$\{?\w+")


def is_secret(name: str, value: str) -> bool:
    """Say whether a variable has a secret for a value, written in clear.

    Args:
        name: its name.
        value: its value; a reference to another variable, such as ``${PASSWORD}``, gives nothing away.
    """
    if _URL.search(value):
        return True
    return bool(_NAME.search(name) and value and not _VARIABLE.match(value))
