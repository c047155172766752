"""The effective settings of a project, read by `fluxlit config`.

That command knows all layers, including arguments in the application's code. It runs in a child process; its output,
with keys and passwords, stays in a pipe.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from fluxlit_auth.errors import AuthConfigError

LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """The settings of a project's logins; a `StoreSettings`.

    Attributes:
        session_store: URL of the store.
        secret_key: keys for its encryption.
        login_idle_timeout_s: seconds until an unused login ends.
        login_absolute_timeout_s: seconds until a login ends in any case.
        oidc_issuer: the provider; empty if only the code names it.
    """

    session_store: str | None = field(repr=False)
    secret_key: tuple[str, ...] = field(repr=False)
    login_idle_timeout_s: float
    login_absolute_timeout_s: float
    oidc_issuer: str


def read_project_settings(target: str | None, store: str | None) -> ProjectSettings:
    """Read the settings of a project.

    Args:
        target: ``module:attribute``; by default that of the project.
        store: URL of the store, in place of the configured one.

    Raises:
        AuthConfigError: the settings cannot be read; the message has the reason.
    """
    command = [sys.executable, "-m", "fluxlit_cli", "config", "--json", "--show-secrets", *([target] if target else [])]
    # In the environment: every user of the machine can read the arguments of a process.
    environ = {**os.environ, **({"FLUXLIT_SESSION_STORE": store} if store else {})}
    try:
        done = subprocess.run(  # noqa: S603  # our own command
            command, env=environ, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise AuthConfigError(f"The application cannot be imported within {LIMIT_S:g} seconds.") from None
    return _parse(done.stdout, done.stderr)


def _parse(output: str, error: str) -> ProjectSettings:
    try:
        document = json.loads(output)
    except ValueError:
        raise AuthConfigError(error.strip().removeprefix("error: ") or "`fluxlit config` has no output.") from None
    if problems := document.get("problems"):
        raise AuthConfigError("; ".join(f"{each['where']}: {each['message']}" for each in problems))
    values: dict[str, Any] = {name: found["value"] for name, found in document["settings"].items()}
    return ProjectSettings(
        session_store=values["session_store"],
        secret_key=tuple(values["secret_key"] or ()),
        login_idle_timeout_s=values["login_idle_timeout_s"],
        login_absolute_timeout_s=values["login_absolute_timeout_s"],
        oidc_issuer=values["oidc_issuer"],
    )
