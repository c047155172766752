"""Former name of `fluxlit.auth.contract`, kept for its importers."""

from fluxlit.auth.contract import *  # noqa: F403
