"""What the parts of the gateway tell the outermost layer about a request."""

from __future__ import annotations

from dataclasses import dataclass

from fluxlit.asgi import Scope

OBSERVATION = "fluxlit.observation"
"""Key of the `Observation` in an ASGI scope."""


@dataclass(slots=True)
class Observation:
    """One request as it is seen from outside.

    Attributes:
        request_id: the request's name in every log.
        route: which part of the gateway served it; empty until the gateway has decided.
    """

    request_id: str
    route: str = ""


def classify(scope: Scope, route: str) -> None:
    """Note which part of the gateway serves a request; without an observer nothing happens."""
    seen: Observation | None = scope.get(OBSERVATION)
    if seen is not None:
        seen.route = route
