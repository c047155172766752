"""Login for FluxLit: OpenID Connect in front of pages, API and WebSockets."""

from fluxlit.auth.contract import Problem, User, Verdict
from fluxlit_auth.api_keys import APIKey, APIKeys, hash_api_key, new_api_key
from fluxlit_auth.bearer import JWTBearer, TokenIssuer
from fluxlit_auth.errors import AuthConfigError, AuthError
from fluxlit_auth.identity_headers import Assertion, ClientPrincipal, PlainFields
from fluxlit_auth.load_balancer import LoadBalancerData
from fluxlit_auth.login.oidc import OIDC
from fluxlit_auth.trusted_proxy import TrustedProxy

__all__ = [
    "OIDC",
    "APIKey",
    "APIKeys",
    "Assertion",
    "AuthConfigError",
    "AuthError",
    "ClientPrincipal",
    "JWTBearer",
    "LoadBalancerData",
    "PlainFields",
    "Problem",
    "TokenIssuer",
    "TrustedProxy",
    "User",
    "Verdict",
    "hash_api_key",
    "new_api_key",
]
