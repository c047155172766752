"""The settings that are in force in a project, asked of `fluxlit config` in a process of its own.

That command alone knows all their layers, the arguments in the application's code among them, and this distribution
imports neither it nor the gateway. What it answers with keys and passwords in it stays in a pipe.
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
class Effective:
    """What the logins of a project are kept with; satisfies `fluxlit_auth.login.stores.StoreSettings`.

    Attributes:
        session_store: where.
        secret_key: what encrypts them a second time.
        login_idle_timeout_s: seconds until one that is not used ends.
        login_absolute_timeout_s: seconds until it ends in any case.
        oidc_issuer: where users log in; empty if only the code says so.
    """

    session_store: str | None = field(repr=False)
    secret_key: tuple[str, ...] = field(repr=False)
    login_idle_timeout_s: float
    login_absolute_timeout_s: float
    oidc_issuer: str


def effective_settings(target: str | None, store: str | None) -> Effective:
    """Find out.

    Args:
        target: ``module:attribute``; by default what the project says.
        store: URL of the store, in place of the one that is set.

    Raises:
        AuthConfigError: the settings cannot be read; the message says why.
    """
    command = [sys.executable, "-m", "fluxlit_cli", "config", "--json", "--show-secrets", *([target] if target else [])]
    # By the environment: arguments of a process can be seen by everybody on the machine.
    environ = {**os.environ, **({"FLUXLIT_SESSION_STORE": store} if store else {})}
    try:
        done = subprocess.run(  # noqa: S603  # our own program
            command, env=environ, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise AuthConfigError(f"The application cannot be imported within {LIMIT_S:g} seconds.") from None
    return _read(done.stdout, done.stderr)


def _read(answer: str, complaint: str) -> Effective:
    try:
        document = json.loads(answer)
    except ValueError:
        raise AuthConfigError(complaint.strip().removeprefix("error: ") or "`fluxlit config` says nothing.") from None
    if problems := document.get("problems"):
        raise AuthConfigError("; ".join(f"{each['where']}: {each['message']}" for each in problems))
    values: dict[str, Any] = {name: found["value"] for name, found in document["settings"].items()}
    return Effective(
        session_store=values["session_store"],
        secret_key=tuple(values["secret_key"] or ()),
        login_idle_timeout_s=values["login_idle_timeout_s"],
        login_absolute_timeout_s=values["login_absolute_timeout_s"],
        oidc_issuer=values["oidc_issuer"],
    )
