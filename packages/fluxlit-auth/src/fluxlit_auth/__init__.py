"""Login for FluxLit: OpenID Connect in front of pages, API and WebSockets."""

from fluxlit_auth.login.oidc import OIDC

__all__ = ["OIDC"]
