"""`fluxlit auth`: the command that this distribution adds."""

from fluxlit_auth.command.sessions import auth

__all__ = ["auth"]
