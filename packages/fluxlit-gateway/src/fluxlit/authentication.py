"""Former name of `fluxlit.auth.contract`, kept for authenticators that import it."""

from fluxlit.auth.contract import *  # noqa: F403
