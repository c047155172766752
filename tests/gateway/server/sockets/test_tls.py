"""The certificate of the public listener.

What is wrong with it is said, and it can be exchanged.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from fluxlit.errors import FluxLitError
from fluxlit.server.sockets.tls import Tls
from tests.gateway.server.sockets.certificates import make_certificate


async def shown(tls: Tls, maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """The certificate that a client sees."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=tls.context)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    client.maximum_version = maximum
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client)
        seen: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
    return seen


def der(certificate: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.read_text())


def test_a_key_may_be_encrypted_or_stand_in_the_same_file(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "one", password="swordfish")
    Tls(str(certificate), str(key), "swordfish")
    certificate, key = make_certificate(tmp_path, "two")
    both = tmp_path / "both.pem"
    both.write_text(certificate.read_text() + key.read_text())
    Tls(str(both))


FAULTS: dict[str, tuple[Callable[[Path], tuple[str, str, str]], str]] = {
    "no certificate": (lambda folder: (str(folder / "nowhere.pem"), "", ""), r"nowhere\.pem cannot be read: No such"),
    "no key": (lambda folder: (str(folder / "one.pem"), str(folder / "k.pem"), ""), r"k\.pem cannot be read: No such"),
    "key of another": (lambda folder: (str(folder / "one.pem"), str(folder / "two-key.pem"), ""), "does not belong to"),
    "no password": (lambda folder: (str(folder / "sealed.pem"), str(folder / "sealed-key.pem"), ""), "is not set"),
    "wrong password": (
        lambda folder: (str(folder / "sealed.pem"), str(folder / "sealed-key.pem"), "x"),
        "does not open it",
    ),
    "no PEM": (lambda folder: (str(folder / "text.pem"), "", ""), "both must be PEM files"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    for name in ("one", "two"):
        make_certificate(folder, name)
    make_certificate(folder, "sealed", password="swordfish")
    (folder / "text.pem").write_text("hello\n")
    return folder


@pytest.mark.parametrize("fault", FAULTS)
def test_a_certificate_that_cannot_be_used_is_explained(fault: str, files: Path) -> None:
    arguments, message = FAULTS[fault]
    with pytest.raises(FluxLitError, match=message) as caught:
        Tls(*arguments(files))
    assert "swordfish" not in str(caught.value)


def test_a_new_certificate_is_used_from_then_on_and_a_broken_one_is_not(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "one")
    tls = Tls(str(certificate), str(key))
    first = der(certificate)
    assert asyncio.run(shown(tls)) == first
    second, second_key = make_certificate(tmp_path, "two")
    certificate.write_text(second.read_text())
    with pytest.raises(FluxLitError, match="does not belong to"):
        tls.reload()
    assert asyncio.run(shown(tls)) == first
    key.write_text(second_key.read_text())
    tls.reload()
    assert asyncio.run(shown(tls)) == der(second)


def test_old_versions_are_refused(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "one")
    modern = Tls(str(certificate), str(key), minimum="1.3")
    with pytest.raises(OSError):
        asyncio.run(shown(modern, ssl.TLSVersion.TLSv1_2))
    assert asyncio.run(shown(Tls(str(certificate), str(key)), ssl.TLSVersion.TLSv1_2))
