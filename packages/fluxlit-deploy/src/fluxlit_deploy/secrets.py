"""Recognise secrets in variables, in URLs and in the content of files."""

from __future__ import annotations

import re
from collections.abc import Iterator

_NAME = re.compile(r"SECRET|PASSWORD|PASSWD|TOKEN|CREDENTIAL|PRIVATE_KEY|API_KEY|REDISCLI_AUTH", re.IGNORECASE)
_URL = re.compile(r"://[^/@\s]*:[^/@\s$]+@")
_VARIABLE = re.compile(r"\$\{?\w+")

_USER = re.compile(r"(?:git\+)?(?:https?|ssh)://([^\s/@:'\"]*)(?::([^\s@'\"]*))?@")
# What stands for a value that comes from elsewhere, or that is not shown.
_REFERENCE = re.compile(r"\$\{\w+\}|\$\w+$|\{.*\}$|<.*>$|%\(\w+\)s|\*+$|$")
_KNOWN_FORMS = (
    r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{22,}|gl[a-z]{2,5}-[\w-]{20,}|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{36}"
    r"|pypi-[\w-]{50,}|xox[abeprs]-[\w-]{10,}|xapp-[\w-]{20,}|[rs]k_live_\w{20,}|A[KS]IA[0-9A-Z]{16}|AIza[\w-]{35}"
    r"|sk-(?:ant|proj|or)-[\w-]{20,}|sk-[A-Za-z0-9]{48}|gsk_[A-Za-z0-9]{40,}|nvapi-[\w-]{40,}|r8_[A-Za-z0-9]{37}"
    r"|lsv2_[a-z]{2}_\w{32,}|dapi[0-9a-f]{32}|dckr_pat_[\w-]{20,}|dop_v1_[0-9a-f]{64}|shp(?:at|ca|pa|ss)_[0-9A-Fa-f]{32}"
    r"|SG\.[\w-]{22}\.[\w-]{43}|ya29\.[\w-]{20,}|sntry[su]_[\w=-]{40,}"
)
# Known by the name that stands before them.
_NAMED = (
    r"(?i:aws_secret_access_key)[\"']?\s{0,9}[=:]\s{0,9}[\"']?[A-Za-z0-9/+]{40}|(?:Account|SharedAccess)Key=[A-Za-z0-9/+]{43}"
    r"|\"auth\"\s{0,9}:\s{0,9}\"[A-Za-z0-9+/]{8,}={0,2}\"|machine \S{1,253}\s{1,9}login \S{1,253}\s{1,9}password \S"
)
_KEY = r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----[\s\\nr\"']*[A-Za-z0-9+/=:, -]{32}"
_CONTENT = re.compile(rf"(?<![\w-])(?:{_KNOWN_FORMS})(?![\w-])|{_NAMED}|{_KEY}")
# Shorter names of users are names; tokens that stand in their place are longer and have digits.
_TOKEN_LENGTH = 20


def is_secret(name: str, value: str) -> bool:
    """Say whether a variable has a secret for a value, in clear text.

    Args:
        name: its name.
        value: its value; a reference to another variable, such as ``${PASSWORD}``, is no secret.
    """
    if _URL.search(value):
        return True
    return bool(_NAME.search(name) and value and not _VARIABLE.match(value))


def lines_with_credentials(text: str) -> Iterator[int]:
    """Yield the lines, counted from 1, that hold credentials."""
    for number, line in enumerate(text.splitlines(), 1):
        if holds_key(line) or any(_has_password(*found) for found in _USER.findall(line)):
            yield number


def holds_key(text: str) -> bool:
    """Say whether a text holds a private key or a well-known kind of token."""
    return _CONTENT.search(text) is not None


def _has_password(user: str, password: str) -> bool:
    if password:
        return _REFERENCE.match(password) is None
    return len(user) >= _TOKEN_LENGTH and re.search(r"\d", user) is not None and _REFERENCE.match(user) is None
