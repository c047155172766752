"""Masking of secret values of settings."""

from __future__ import annotations

import json
from typing import Any

from fluxlit.observability.logs.redaction import HIDDEN, is_secret_name, redact
from fluxlit.settings import describe


def masked(setting: str, value: object, *, show_secrets: bool = False) -> Any:
    """Return a value as JSON, with everything secret replaced.

    Secret are settings that are declared so, passwords and tokens in URLs, and Streamlit's options by their name.

    Args:
        setting: name of the setting.
        value: its value.
        show_secrets: leave everything as it is.
    """
    plain = json.loads(json.dumps(value, default=str))
    if show_secrets or value in (None, "", (), {}):
        return plain
    if describe.is_secret(setting):
        return HIDDEN
    return _redacted(plain)


def _without_password(value: str) -> str:
    # Passwords in URLs of session stores may hold any character, also the / at which `redact` sees a path begin.
    scheme, mark, rest = value.partition("://")
    userinfo, at, place = rest.rpartition("@")
    if not at or ":" not in userinfo or scheme in ("http", "https"):
        return value
    return f"{scheme}{mark}{userinfo.partition(':')[0]}:{HIDDEN}@{place}"


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return _without_password(redact(value))
    if isinstance(value, list):
        return [_redacted(inner) for inner in value]
    if isinstance(value, dict):
        return {key: HIDDEN if is_secret_name(key) else _redacted(inner) for key, inner in value.items()}
    return value
