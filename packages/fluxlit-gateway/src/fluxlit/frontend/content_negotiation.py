"""What a client accepts, and what it has."""

from __future__ import annotations

from fluxlit.frontend.variants import ENCODINGS


def chosen(accepted: str) -> str:
    """The best Content-Encoding that a client accepts, or an empty string."""
    weights = {}
    for item in accepted.split(","):
        name, _, parameters = item.partition(";")
        weight = parameters.strip().removeprefix("q=") if parameters else "1"
        weights[name.strip().lower()] = weight.strip("0.") != "" or "1" in weight
    return next((name for name in ENCODINGS if weights.get(name, weights.get("*", False))), "")


def matches(condition: str, tag: str) -> bool:
    """Whether If-None-Match holds (RFC 9110 section 13.1.2: weak comparison)."""
    return condition.strip() == "*" or tag in (item.strip().removeprefix("W/") for item in condition.split(","))
