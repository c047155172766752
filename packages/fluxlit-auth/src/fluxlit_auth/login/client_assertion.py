"""The client's private key, and assertions signed with it."""

from __future__ import annotations

import json
import secrets
import time
import warnings
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import Certificate, load_der_x509_certificate, load_pem_x509_certificate
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key
from joserfc.jws import JWSRegistry

from fluxlit_auth.errors import AuthConfigError

ASSERTION_S = 60
"""Lifetime of a signed client assertion, in seconds."""

THUMBPRINT = "x5t#S256"
NAMES = ("kid", THUMBPRINT)
"""Parameters of a header by which a provider finds the key (RFC 7515 section 4.1)."""


def read_client_key(path: str | None, *, by_certificate: bool = False) -> Key | None:
    """Read the client's private key, and its certificate if the file has it.

    The key has a `kid` only if the file names one. A `kid` of our own making, such as a thumbprint, is none that the
    provider knows: Auth0, Keycloak and Okta refuse a key by an unknown name, and find a single key without one.

    Args:
        path: PEM or JWK; `None` without a key.
        by_certificate: the provider finds a key by its certificate alone.

    Raises:
        AuthConfigError: the file cannot be used.
    """
    if not path:
        return None
    try:
        text = Path(path).read_text(encoding="utf-8")
        key, certificates = _read_jwk(json.loads(text)) if text.lstrip().startswith("{") else _read_pem(text)
    except (OSError, UnicodeDecodeError) as error:
        raise AuthConfigError(f"oidc_client_key_file {path} cannot be read: {error}.") from None
    except (JoseError, ValueError, TypeError, KeyError):
        raise AuthConfigError(
            f"oidc_client_key_file {path} must hold one private RSA, EC or Ed25519 key, as PEM without a password "
            f"or as a JWK. A PEM file may hold its certificate, too."
        ) from None
    more = dict[str, str | list[str]]()
    if certificates:
        more[THUMBPRINT] = _thumbprint(key, certificates, path)
    if by_certificate:
        if not certificates and not key.get(THUMBPRINT):
            raise AuthConfigError(
                f"This provider finds a key by its certificate, and oidc_client_key_file {path} has none. Append the "
                f"certificate that you have uploaded there, as PEM."
            )
        if key.key_type == "RSA" and not key.get("alg"):
            more["alg"] = "PS256"
    return _with(key, more)


def client_assertion(client_id: str, key: Key, audience: str) -> str:
    """Return a JWT for ``private_key_jwt`` (RFC 7523 section 3)."""
    alg, now = signature_of(key), int(time.time())
    claims = {"iss": client_id, "sub": client_id, "aud": audience, "iat": now, "exp": now + ASSERTION_S}
    claims["jti"] = secrets.token_urlsafe(16)  # a provider accepts each assertion once
    header = {"alg": alg, **{name: key.get(name) for name in NAMES if key.get(name)}}
    with warnings.catch_warnings():
        # RFC 9864 renames EdDSA to Ed25519, which few providers know yet.
        warnings.simplefilter("ignore", SecurityWarning)
        return jwt.encode(header, claims, key, algorithms=[alg])


def signature_of(key: Key) -> str:
    """Return the signature algorithm of a client key."""
    recommended = {"RSA": "RS256", "OKP": "EdDSA", "EC": {"P-384": "ES384", "P-521": "ES512"}.get(str(key.get("crv")))}
    name = key.get("alg") or recommended.get(key.key_type) or "ES256"
    assert name in JWSRegistry.algorithms
    return str(name)


def _read_jwk(document: dict[str, Any]) -> tuple[Key, Sequence[Certificate]]:
    certificates = [load_der_x509_certificate(b64decode(each)) for each in document.get("x5c", ())[:1]]
    return _private(import_key(document)), certificates


def _read_pem(text: str) -> tuple[Key, Sequence[Certificate]]:
    blocks = list(_pem_blocks(text))
    [private] = [block for label, block in blocks if label.endswith("PRIVATE KEY")]
    certificates = [load_pem_x509_certificate(block.encode()) for label, block in blocks if label == "CERTIFICATE"]
    for kind in (RSAKey, ECKey, OKPKey):
        try:
            return _private(kind.import_key(private)), certificates
        except (JoseError, ValueError, TypeError):
            continue
    raise ValueError


def _pem_blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield label and text of each block (RFC 7468 section 2)."""
    for part in text.split("-----BEGIN ")[1:]:
        label, _, rest = part.partition("-----")
        body, end, _ = rest.partition(f"-----END {label}-----")
        yield label, f"-----BEGIN {label}-----{body}{end}"


def _private(key: Key) -> Key:
    if not isinstance(key, (RSAKey, ECKey, OKPKey)) or not key.is_private:
        raise ValueError
    return key


def _thumbprint(key: Key, certificates: Sequence[Certificate], path: str) -> str:
    """Return the thumbprint of the key's own certificate (RFC 7515, 4.1.8)."""
    for each in certificates:
        if each.public_key() == key.get_op_key("verify"):
            return urlsafe_b64encode(each.fingerprint(SHA256())).rstrip(b"=").decode()
    raise AuthConfigError(f"oidc_client_key_file {path} holds the certificate of another key.")


def _with(key: Key, more: dict[str, str | list[str]]) -> Key:
    return import_key({**key.as_dict(private=True), **more}) if more else key
