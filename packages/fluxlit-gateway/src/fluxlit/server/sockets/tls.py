"""TLS of the public listener, with a certificate that can be replaced."""

from __future__ import annotations

import ssl
from pathlib import Path

from fluxlit.errors import FluxLitError

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Tls:
    """The server's side of TLS.

    Args:
        certificate: PEM file with the certificate and those between it and the root.
        key: PEM file of the private key; by default it is in the file of the certificate.
        password: of the key, if it is encrypted.
        minimum: oldest version of the protocol, ``1.2`` or ``1.3``.

    Attributes:
        context: for the listener.

    Raises:
        FluxLitError: certificate and key cannot be used.
    """

    def __init__(self, certificate: str, key: str = "", password: str = "", minimum: str = "1.2") -> None:
        self._certificate = certificate
        self._key = key
        self._password = password
        self._minimum = VERSIONS[minimum]
        self.context = self._fresh()

    def reload(self) -> None:
        """Read the files again; connections from now on get what they hold.

        Raises:
            FluxLitError: they cannot be used. What was loaded before stays in use.
        """
        self._fresh()  # A context that fails in the middle would be left with half of each.
        self._load(self.context)

    def _fresh(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = self._minimum
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        for path in filter(None, (self._certificate, self._key)):
            self._check_readable(path)
        try:
            # A function even where there is no password: OpenSSL would ask for it on the terminal.
            context.load_cert_chain(self._certificate, self._key or None, lambda: self._password)
        except (ssl.SSLError, OSError, ValueError) as error:
            raise FluxLitError(self._explain(error)) from None

    def _check_readable(self, path: str) -> None:
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise FluxLitError(f"TLS file {path} cannot be read: {error.strerror or error}.") from None

    def _explain(self, error: Exception) -> str:
        text = str(error)
        key = self._key or self._certificate
        if "KEY_VALUES_MISMATCH" in text:
            return f"The key in {key} does not belong to the certificate in {self._certificate}."
        if b"ENCRYPTED" in Path(key).read_bytes():  # OpenSSL reports only that the file is not right.
            given = "does not open it" if self._password else "is not set"
            return f"The key in {key} is encrypted, and tls_key_password {given}."
        return (
            f"TLS cannot be set up with certificate {self._certificate} and key {key}: both must be PEM files, and the "
            f"server's own certificate must come first ({getattr(error, 'reason', None) or text})."
        )
