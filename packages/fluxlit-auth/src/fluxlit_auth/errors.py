"""Every error that fluxlit_auth raises on purpose.

AuthError
├── AuthConfigError         the configuration is incomplete or contradictory
├── ProviderUnavailable     the provider, or its keys, cannot be reached at the moment
│   ├── ProviderMismatch    the response comes from another provider than the configured one
│   └── RequestRefused      it responds 4xx
├── TokenRefused            a token is not valid
│   └── UnknownKey          no key of the issuer signed it
├── ClientRefused           the provider refuses this client, not its user
├── GrantRefused            the provider refuses a code or a refresh token
└── LoginRefused            a login cannot continue

No message contains a token, a code, a secret or text that the other side chose: messages end up in logs.
"""

from __future__ import annotations


class AuthError(Exception):
    """Base of all errors that fluxlit_auth raises on purpose."""


class AuthConfigError(AuthError):
    """The configuration is incomplete or contradictory.

    The message names the setting and the remedy.
    """


class ProviderUnavailable(AuthError):
    """The provider does not respond, or not as expected.

    This implies nothing about any user.

    Attributes:
        retry_after: seconds after which a retry is useful.
    """

    def __init__(self, message: str, *, retry_after: float = 5.0) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class ProviderMismatch(ProviderUnavailable):
    """The metadata belong to another provider, or lack a required endpoint."""


class RequestRefused(ProviderUnavailable):
    """The provider responds 4xx to a request that should have succeeded."""


class TokenRefused(AuthError):
    """A token is not valid.

    Attributes:
        reason: a fixed word for tests and logs, such as ``signature`` or the name of a claim.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class UnknownKey(TokenRefused):
    """The token names a key that the issuer does not have."""

    def __init__(self, message: str) -> None:
        super().__init__("key", message)


class ClientRefused(AuthError):
    """The provider refuses this client: it is configured wrongly.

    This implies nothing about any user.

    Attributes:
        code: its error code (RFC 6749 section 5.2).
    """

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(
            f"the provider refuses this client ({code}). Check oidc_client_id, its secret or key, which may have "
            f"expired, oidc_scopes, and the client's settings at the provider"
        )


class GrantRefused(AuthError):
    """The provider refuses a code or a refresh token (RFC 6749 section 5.2).

    Attributes:
        code: its error code.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(f"the provider refused the grant: {code}")


class LoginRefused(AuthError):
    """A login cannot continue.

    Attributes:
        reason: a fixed word for tests and logs.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)
