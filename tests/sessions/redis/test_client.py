"""Clients of redis-py: TLS, logins and permissions."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import re
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fluxlit_sessions import (
    RedisSessionStore,
    SessionStoreUnavailable,
    open_store,
)
from tests.sessions.servers import PATIENT, RedisServer, Watched, cluster, needs_redis, running, watched
from tests.support.ports import free_port


def certificate(folder: Path, name: str) -> Path:
    """Write a self-signed certificate for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
                key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cert.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return folder


@pytest.fixture(scope="module")
def tls_server(short_folder: Path) -> Iterator[tuple[str, Path]]:
    files = certificate(short_folder / "cert", "redis")
    port = free_port()
    server = RedisServer(
        short_folder / "tls", "--tls-port", str(port), "--tls-auth-clients", "no",
        "--tls-cert-file", str(files / "cert.pem"), "--tls-key-file", str(files / "key.pem"),
    )  # fmt: skip
    with running(server):
        yield f"rediss://127.0.0.1:{port}", files


@needs_redis
def test_tls_with_a_certificate_that_is_trusted(tls_server: tuple[str, Path]) -> None:
    url, files = tls_server
    with contextlib.closing(open_store(f"{url}?ssl_ca_certs={files}/cert.pem&{urlencode(PATIENT)}")) as store:
        session = store.create({"a": 1})
        assert store.read(session.id) == session

        async def story() -> None:
            assert await store.aread(session.id) == session
            await store.aclose()

        asyncio.run(story())


@needs_redis
def test_tls_with_a_certificate_that_is_not_trusted(tls_server: tuple[str, Path], tmp_path: Path) -> None:
    url, _ = tls_server
    other = certificate(tmp_path / "other", "other")
    for query in ("", f"&ssl_ca_certs={other}/cert.pem"):
        started = time.monotonic()
        with (
            contextlib.closing(open_store(f"{url}?{urlencode({**PATIENT, 'read_budget': 0.2})}{query}")) as store,
            pytest.raises(SessionStoreUnavailable, match=r"(?i)certificate"),
        ):
            store.ping()
        assert time.monotonic() - started < 60


@needs_redis
@pytest.mark.parametrize("kind", ["cluster", "sentinel"])
def test_tls_to_several_servers_with_a_private_authority(short_folder: Path, tmp_path: Path, kind: str) -> None:
    files = certificate(tmp_path, "private")
    options = urlencode({**PATIENT, "ssl_ca_certs": f"{files}/cert.pem"})
    with contextlib.ExitStack() as stack:
        if kind == "cluster":
            servers: Any = stack.enter_context(cluster(short_folder / "tls-cluster", files))
            url = f"rediss+cluster://127.0.0.1:{servers[0].port}"
        else:
            servers = stack.enter_context(watched(short_folder / "tls-watched", files))
            url = servers.url
        store = stack.enter_context(contextlib.closing(open_store(f"{url}?{options}")))
        sessions = [store.create({"n": number}, subject="ada") for number in range(10)]
        assert [store.read(session.id) for session in sessions] == sessions
        assert store.count(subject="ada") == 10

        async def story() -> None:
            assert [await store.aread(session.id) for session in sessions] == sessions
            await store.aclose()

        asyncio.run(story())
        strict = stack.enter_context(contextlib.closing(open_store(f"{url}?read_budget=0.1&write_budget=0.1")))
        with pytest.raises(SessionStoreUnavailable, match=r"(?i)certificate"):
            strict.create()
        with pytest.raises(SessionStoreUnavailable, match=r"(?i)certificate"):
            asyncio.run(strict.acreate())
        if isinstance(servers, Watched):
            one = f"rediss://127.0.0.1:{servers.sentinels[0].port}?{options}"
            with (
                contextlib.closing(open_store(one)) as mistaken,
                pytest.raises(SessionStoreUnavailable, match=r"is a Redis Sentinel\. Write redis\+sentinel"),
            ):
                mistaken.ping()
            return
        assert store.advice() == ""
        client = stack.enter_context(contextlib.closing(servers[2].client()))
        client.config_set("maxmemory-policy", "allkeys-lru")
        assert "maxmemory-policy allkeys-lru" in store.advice(), "one of three nodes"


ROOT = Path(__file__).resolve().parents[3]


def test_a_wrong_password_is_reported_at_once_and_not_repeated_in_the_message(server: RedisServer) -> None:
    with server.client() as client:
        client.config_set("requirepass", "right-password")
    url = server.url.replace("unix://", "unix://:wrong-password@")
    with RedisSessionStore(url, **PATIENT) as store, pytest.raises(SessionStoreUnavailable) as caught:
        store.ping()
    assert caught.value.attempts == 1
    assert "password@" not in str(caught.value)
    assert "wrong-password" not in str(caught.value) + repr(store)
    with RedisSessionStore(url.replace("wrong", "right"), **PATIENT) as store:
        store.ping()


def test_a_user_with_the_documented_permissions_can_do_everything(server: RedisServer) -> None:
    page = (ROOT / "docs" / "reference" / "sessions.md").read_text()
    granted = " ".join(re.findall(r"`(~fluxlit:\*)`.*?`(\+get[^`]*)`", page, re.DOTALL)[0]).split()
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "app", "reset", "on", ">s3cret", *granted)
    with RedisSessionStore(server.url.replace("unix://", "unix://app:s3cret@"), **PATIENT) as store:
        session = store.rotate(store.save(store.create({"a": 1}, subject="ada"), {"a": 2}), subject="bob")
        store.touch(session.id)
        store.ping()
        assert store.read(session.id) == session
        assert store.take_once("p", store.put_once("p", {}, ttl=3600)) == {}
        assert [info.handle for info in store.list()] == [session.handle]
        store.delete(session.id)
        store.create(subject="bob")
        assert (store.delete_subject("bob"), store.count(subject="ada"), store.count()) == (1, 0, 0)
