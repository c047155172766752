"""Every error that fluxlit_auth raises on purpose.

AuthError
├── AuthConfigError         what was configured cannot work
├── ProviderUnavailable     the provider, or its keys, cannot be had now
│   └── ProviderMismatch    what answers there is not the configured provider
├── TokenRefused            a token is not what it has to be
│   └── UnknownKey          no key of the issuer signed it
├── GrantRefused            the provider says no to a code or a refresh token
└── LoginRefused            a login cannot go on

No message holds a token, a code, a secret or text that the other side chose freely: messages end up in logs.
"""

from __future__ import annotations


class AuthError(Exception):
    """Base of all errors that fluxlit_auth raises on purpose."""


class AuthConfigError(AuthError):
    """What was configured cannot work. The message names the setting and the remedy."""


class ProviderUnavailable(AuthError):
    """The provider does not answer, or not with what was asked for. It says nothing about any user.

    Attributes:
        retry_after: seconds after which another try makes sense.
    """

    def __init__(self, message: str, *, retry_after: float = 5.0) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class ProviderMismatch(ProviderUnavailable):
    """The metadata are those of another provider, or lack what a login needs."""


class TokenRefused(AuthError):
    """A token is not what it has to be.

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


class GrantRefused(AuthError):
    """The provider refuses a code or a refresh token (RFC 6749 section 5.2).

    Attributes:
        code: its error code, ``unknown`` if it gave none of the registered ones.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(f"the provider refused the grant: {code}")


class LoginRefused(AuthError):
    """A login cannot go on.

    Attributes:
        reason: a fixed word for tests and logs.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)
