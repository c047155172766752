"""A client with a private key, and how a provider finds that key."""

import base64
import hashlib
import json
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc import jws, jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from fluxlit_auth.errors import AuthConfigError
from fluxlit_auth.login.client_assertion import client_assertion, read_client_key, signature_of
from tests.auth.browser import Browser, replica
from tests.auth.conftest import Clock
from tests.auth.hostile import HostileProvider

pytestmark = pytest.mark.anyio

RSA, OTHER = RSAKey.generate_key(2048), RSAKey.generate_key(2048)
KEYS = [RSA, *(ECKey.generate_key(curve) for curve in ("P-256", "P-384", "P-521")), OKPKey.generate_key("Ed25519")]


def certificate_of(key: Any) -> x509.Certificate:
    """A self-signed certificate, as teams make them for Entra ID."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "portal")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key, x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(key.private_key, None if isinstance(key, OKPKey) else SHA256())


def thumbprint(certificate: x509.Certificate) -> str:
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def read(path: Path, content: bytes | str | dict[str, Any], *, by_certificate: bool = False) -> Key:
    text = json.dumps(content) if isinstance(content, dict) else content
    (path / "key").write_bytes(text if isinstance(text, bytes) else text.encode())
    key = read_client_key(str(path / "key"), by_certificate=by_certificate)
    assert key is not None
    return key


def header_of(key: Key) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # of EdDSA
        assertion = client_assertion("the-client", key, "https://provider.test")
        jws.deserialize_compact(assertion, key, algorithms=[signature_of(key)])  # verifies it
    head = assertion.partition(".")[0]
    return dict(json.loads(base64.urlsafe_b64decode(head + "==")))


@pytest.mark.parametrize("key", KEYS, ids=lambda key: str(key.get("crv", "RSA")))
def test_a_client_assertion_names_the_client_and_the_provider_and_is_for_one_use(key: Key) -> None:
    """RFC 7523 3, OpenID Connect Core 9."""
    assertions = [client_assertion("the-client", key, "https://provider.test") for _ in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # of EdDSA
        claims = [jwt.decode(each, key, algorithms=[signature_of(key)]).claims for each in assertions]
    for each in claims:
        assert (each["iss"], each["sub"], each["aud"]) == ("the-client", "the-client", "https://provider.test")
        assert 0 < each["exp"] - time.time() <= 60
    assert claims[0]["jti"] != claims[1]["jti"]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: str(key.get("crv", "RSA")))
def test_a_key_has_the_name_of_its_file_or_none(tmp_path: Path, key: Any) -> None:
    """Providers refuse a name that they do not know (RFC 7515 4.1.4)."""
    assert set(header_of(read(tmp_path, key.as_pem(private=True)))) == {"alg", "typ"}
    unnamed = {name: value for name, value in key.as_dict(private=True).items() if name != "kid"}
    assert "kid" not in header_of(read(tmp_path, unnamed))
    assert header_of(read(tmp_path, {**unnamed, "kid": "registered"}))["kid"] == "registered"


@pytest.mark.parametrize("key", KEYS, ids=lambda key: str(key.get("crv", "RSA")))
def test_a_certificate_in_the_file_names_the_key(tmp_path: Path, key: Any) -> None:
    """RFC 7515 4.1.8. The order of the blocks does not matter."""
    own, private = certificate_of(key), key.as_pem(private=True)
    chain = b"Bag Attributes\n" + pem(certificate_of(OTHER)) + pem(own)
    for content in (private + pem(own), pem(own) + private, chain + private):
        found = read(tmp_path, content)
        assert header_of(found)["x5t#S256"] == thumbprint(own)
        assert signature_of(found) == signature_of(key)
    jwk = key.as_dict(private=True) | {"x5c": [base64.b64encode(own.public_bytes(Encoding.DER)).decode()]}
    assert header_of(read(tmp_path, jwk))["x5t#S256"] == thumbprint(own)


def test_a_provider_that_finds_keys_by_certificates_gets_what_it_documents(tmp_path: Path) -> None:
    """Entra ID: x5t#S256 and PS256."""
    own = certificate_of(RSA)
    found = header_of(read(tmp_path, RSA.as_pem(private=True) + pem(own), by_certificate=True))
    assert found == {"typ": "JWT", "alg": "PS256", "x5t#S256": thumbprint(own)}
    named = {**RSA.as_dict(private=True), "x5t#S256": thumbprint(own), "alg": "RS256"}
    assert header_of(read(tmp_path, named, by_certificate=True))["alg"] == "RS256"
    with pytest.raises(AuthConfigError, match=r"finds a key by its certificate, and oidc_client_key_file .* has none"):
        read(tmp_path, RSA.as_pem(private=True), by_certificate=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pem(certificate_of(OTHER)) + RSA.as_pem(private=True), "the certificate of another key"),
        (pem(certificate_of(RSA)), "must hold one private"),
        (RSA.as_pem(private=False), "must hold one private"),
        (RSA.as_pem(private=True) * 2, "must hold one private"),
        (RSA.as_pem(private=True, password="secret"), "without a password"),
        ("nonsense", "must hold one private"),
        ({"kty": "RSA"}, "must hold one private"),
        (RSA.as_dict(private=True) | {"x5c": ["nonsense"]}, "must hold one private"),
        (b"\xff", "cannot be read"),
    ],
    ids=["another", "no-key", "public", "two", "password", "text", "jwk", "x5c", "binary"],
)
def test_a_file_that_cannot_be_used_is_refused(
    tmp_path: Path, content: bytes | str | dict[str, Any], message: str
) -> None:
    with pytest.raises(AuthConfigError, match=message):
        read(tmp_path, content)


async def test_a_client_of_entra_signs_in_with_its_certificate(
    hostile: HostileProvider, clock: Clock, tmp_path: Path
) -> None:
    own = certificate_of(RSA)
    hostile.client_key = RSA
    (tmp_path / "key.pem").write_bytes(RSA.as_pem(private=True) + pem(own))
    oidc = replica(
        hostile, clock, oidc_preset="entra", oidc_client_secret="", oidc_client_key_file=str(tmp_path / "key.pem")
    )
    assert (await Browser(oidc).log_in(hostile)).status_code == 303
    [form] = [form for form in hostile.forms if form.get("grant_type") == "authorization_code"]
    head = form["client_assertion"].partition(".")[0]
    assert json.loads(base64.urlsafe_b64decode(head + "=="))["x5t#S256"] == thumbprint(own)
