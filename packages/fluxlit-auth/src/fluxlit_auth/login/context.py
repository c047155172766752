"""`LoginContext`: the services that every login flow uses."""

from __future__ import annotations

from dataclasses import dataclass

from fluxlit_auth.http_client import HttpClient
from fluxlit_auth.login.authorization_request import AuthorizationRequestStore, LoginBudget
from fluxlit_auth.login.login_session import LoginSessionStore
from fluxlit_auth.login.oauth_client import OAuthClient
from fluxlit_auth.login.options import LoginOptions
from fluxlit_auth.login.revocation_log import RevocationLog
from fluxlit_auth.login.stores import Clock
from fluxlit_auth.provider import Provider


@dataclass(frozen=True, slots=True)
class LoginContext:
    """The services of one application's login.

    It is complete from the start; flows keep their state in local variables.

    Attributes:
        options: the client and its provider, as configured.
        provider: metadata and keys.
        http: HTTP client for the provider.
        client: requests that need client authentication.
        requests: pending authorization requests.
        budget: limits how many are begun.
        sessions: login sessions.
        revocations: ended logins, shared by all replicas.
        clock: seconds since the epoch.
    """

    options: LoginOptions
    provider: Provider
    http: HttpClient
    client: OAuthClient
    requests: AuthorizationRequestStore
    budget: LoginBudget
    sessions: LoginSessionStore
    revocations: RevocationLog
    clock: Clock
