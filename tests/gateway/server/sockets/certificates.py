"""Certificates for tests, made on the spot."""

import subprocess
from pathlib import Path


def make_certificate(folder: Path, name: str, *, password: str = "") -> tuple[Path, Path]:
    """Write a self-signed certificate for `localhost` and its key.

    The name is its common name.
    """
    certificate, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
    secrecy = f"-passout pass:{password}" if password else "-nodes"
    options = f"-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 {secrecy} -days 2"
    names = ["-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(
        ["openssl", "req", *options.split(), "-keyout", key, "-out", certificate, *names],
        check=True,
        capture_output=True,
    )
    return certificate, key
