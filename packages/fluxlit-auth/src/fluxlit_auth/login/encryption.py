"""Encryption of content with a secret that is kept apart from it.

The secret of a login session is in the browser's cookie and its content in the store, as with oauth2-proxy's tickets;
the content of an authorization request is in the cookie and its secret in the store. A dump of the store, even together
with the application's secret key, opens nothing. AES-256-GCM with a random nonce; one secret encrypts one content a few
times, far below the limit of NIST SP 800-38D.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12
SECRET_BYTES = 32


def new_secret() -> str:
    """Return 256 random bits in base64url."""
    return secrets.token_urlsafe(SECRET_BYTES)


def encrypt(content: dict[str, Any], secret: str, purpose: str) -> str:
    """Encrypt content for a secret and a purpose; return base64url."""
    nonce = secrets.token_bytes(_NONCE)
    plain = json.dumps(content, separators=(",", ":")).encode()
    raw = nonce + _cipher(secret, purpose).encrypt(nonce, plain, purpose.encode())
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decrypt(encrypted: Any, secret: str, purpose: str) -> dict[str, Any] | None:
    """Decrypt content; `None` if secret, purpose or content is wrong."""
    try:
        raw = urlsafe_b64decode(encrypted + "=" * (-len(encrypted) % 4))
        plain = _cipher(secret, purpose).decrypt(raw[:_NONCE], raw[_NONCE:], purpose.encode())
        content = json.loads(plain)
    except (InvalidTag, ValueError, TypeError):
        return None
    return content if isinstance(content, dict) else None


def _cipher(secret: str, purpose: str) -> AESGCM:
    return AESGCM(hmac.digest(secret.encode(), b"fluxlit-auth/1 " + purpose.encode(), hashlib.sha256))
