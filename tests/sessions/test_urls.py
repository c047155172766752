"""From a URL to a store."""

import asyncio
import contextlib
import datetime as dt
import re
import time
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import fluxlit_sessions.urls
from fluxlit_sessions import (
    MemorySessionStore,
    RedisSessionStore,
    SessionStoreError,
    SessionStoreUnavailable,
    SQLiteSessionStore,
    open_store,
)
from fluxlit_sessions.redis.address import Mode, parse
from tests.sessions.servers import PATIENT, RedisServer, needs_redis, running
from tests.support.ports import free_port


def test_memory() -> None:
    store = open_store("memory://?idle_ttl=5&absolute_ttl=9", absolute_ttl=7)
    session = store.create()
    assert isinstance(store, MemorySessionStore)
    assert session.expires_at - session.created_at == dt.timedelta(seconds=5)
    assert session.absolute_expires_at - session.created_at == dt.timedelta(seconds=9)


def test_sqlite_relative_and_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url in ("sqlite:///one%20file.db?namespace=n&timeout=1", f"sqlite:///{tmp_path}/two.db"):
        with contextlib.closing(open_store(url)) as store:
            assert isinstance(store, SQLiteSessionStore)
            assert store.location.startswith(f"sqlite:///{tmp_path}/")
    assert {path.name for path in tmp_path.iterdir()} == {"one file.db", "two.db"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache", (Mode.SINGLE, (("cache", 6379),), "", "", 0, False, None, None)),
        (
            "redis://us%40er:p%3Aw@cache:7000/3",
            (Mode.SINGLE, (("cache", 7000),), "", "", 3, False, "us@er", "p:w"),
        ),
        ("rediss://:pw@[::1]:7000", (Mode.SINGLE, (("::1", 7000),), "", "", 0, True, None, "pw")),
        ("rediss://[::1]", (Mode.SINGLE, (("::1", 6379),), "", "", 0, True, None, None)),
        ("unix:///run/my%20redis.sock", (Mode.UNIX, (), "/run/my redis.sock", "", 0, False, None, None)),
        ("unix://u:p@/r.sock", (Mode.UNIX, (), "/r.sock", "", 0, False, "u", "p")),
        (
            "redis+sentinel://u:p@one,two:5000/service/2",
            (Mode.SENTINEL, (("one", 26379), ("two", 5000)), "", "service", 2, False, "u", "p"),
        ),
        ("rediss+sentinel://one/s", (Mode.SENTINEL, (("one", 26379),), "", "s", 0, True, None, None)),
        ("redis+cluster://a,b:7,c", (Mode.CLUSTER, (("a", 6379), ("b", 7), ("c", 6379)), "", "", 0, False, None, None)),
        ("valkey://cache/1", (Mode.SINGLE, (("cache", 6379),), "", "", 1, False, None, None)),
        ("valkeys://:pw@cache", (Mode.SINGLE, (("cache", 6379),), "", "", 0, True, None, "pw")),
        ("valkey+cluster://a,b", (Mode.CLUSTER, (("a", 6379), ("b", 6379)), "", "", 0, False, None, None)),
        ("valkeys+sentinel://a/s", (Mode.SENTINEL, (("a", 26379),), "", "s", 0, True, None, None)),
        ("REDIS://cache", (Mode.SINGLE, (("cache", 6379),), "", "", 0, False, None, None)),
        ("redis://cache?db=2", (Mode.SINGLE, (("cache", 6379),), "", "", 2, False, None, None)),
        ("rediss+cluster://a", (Mode.CLUSTER, (("a", 6379),), "", "", 0, True, None, None)),
    ],
)
def test_the_forms_of_a_redis_url(url: str, expected: tuple[Any, ...]) -> None:
    found = parse(url)
    assert (
        found.mode,
        found.hosts,
        found.path,
        found.service,
        found.db,
        found.tls,
        found.username,
        found.password,
    ) == expected
    assert isinstance(open_store(url), RedisSessionStore)  # it connects when it is used


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis://a,b",
        "redis://a/b",
        "redis://a/1/2",
        "redis://a:port",
        "redis://a:99999",
        "redis://[::1",
        "unix://",
        "unix://host/path",
        "redis+sentinel://a",
        "redis+sentinel:///s",
        "redis+cluster://a/1",
        "redis+cluster://",
        "redis+cluster://a?replicas=1",
        "redis://a?ttl=1",
        "redis://a?timeout=soon",
        "redis://a?timeout=1&timeout=2",
        "redis://a?namespace=a:b",
        "redis://a?idle_ttl=10&absolute_ttl=5",
        "redis://a?idle_ttl=-1",
        "redis://a?touch_interval=99999999",
        "memory://host",
        "memory:///path",
        "sqlite://",
        "sqlite:///",
        "sqlite://host/file.db",
        "sqlite:///:memory:",
        "postgres://a",
        "nothing",
        "",
    ],
)
def test_a_wrong_url_says_what_is_wrong(url: str) -> None:
    with pytest.raises(SessionStoreError) as caught:
        open_store(url)
    assert len(str(caught.value)) > 20


PLACES = {
    "redis://{}@cache:6379/0": "redis://cache:6379/0",
    "rediss://{}@[::1]:6380": "rediss://[::1]:6380",
    "valkeys://{}@x.aivencloud.com:12345/0?timeout=5": "valkeys://x.aivencloud.com:12345/0",
    "unix://{}@/run/redis.sock?db=1": "unix:///run/redis.sock",
    "redis+sentinel://{}@one:26379,two/service/1": "redis+sentinel://one:26379,two/service/1",
    "rediss+cluster://{}@a,b:7": "rediss+cluster://a,b:7",
}


@pytest.mark.parametrize("place", PLACES)
@settings(max_examples=50, deadline=None)
@given(
    username=st.text("aZ0.-_", max_size=4),
    password=st.text(min_size=1, max_size=12) | st.text("aB3+=:@/?#[]& 6379,.-~!$", min_size=1, max_size=12),
)
@example("", "Xk3/9fQ+secretkey=")
@example("user", "p#ss")
@example("user", "p?ss")
@example("user", "p@ss")
@example("user", "[abc]x")
@example("", "12345/secret")
@example("user", "a@b:1/0?db@")
@example("user", "pä ss\n")
def test_a_password_may_stand_as_it_is_whatever_its_characters(place: str, username: str, password: str) -> None:
    assume(unquote(password) == password)
    assume("@/" not in password)  # with unix:// this is where the path begins
    assume(not re.match(r"([^/?#]*@)?[^/?#]*/*[0-9]*\?[a-z_]+=", password))  # behind a user: a host with options
    found = parse(place.format(f"{username}:{password}"))
    assert (found.username, found.password, found.location) == (username or None, password, PLACES[place])
    assert repr(password)[1:-1] not in repr(found).replace(found.location, "") or len(password) < 8


SECRETS = ("sw0rd/fish", "sw0rd?fish", "sw0rd#fish", "sw0rd@fish", "[sw0rd]fish", "sw0rd:fish", "sw0rd%2Ffish", "sw0rd")
BROKEN = (
    "redis://user:{}@a,b",
    "redis://user:{}@host:port",
    "redis://user:{}@host/zero",
    "redis://user:{}@",
    "redis://host:{}",
    "redis://host/{}",
    "redis://host?{}",
    "redis://host?{}=1",
    "redis://host?timeout={}",
    "redis://host?namespace={}:",
    "redis://host:6379?sentinel_pasword={}",
    "redis://host#{}",
    "redis+sentinel://user:{}@host",
    "redis+cluster://user:{}@host/1",
    "unix://{}",
    "reddis://user:{}@host",
    "{}://host",
    "{}",
    "memory://{}",
    "memory://?{}",
    "memory://?max_bytes={}",
    "sqlite://{}",
)


@pytest.mark.parametrize("url", BROKEN)
@pytest.mark.parametrize("secret", SECRETS)
def test_an_error_quotes_nothing_of_the_url(url: str, secret: str) -> None:
    if "@" in secret and url == "redis://host:{}":
        pytest.skip("this is a user, a password and a host")
    with pytest.raises(SessionStoreError) as caught:
        open_store(url.format(secret))
    error: BaseException | None = caught.value
    while error is not None:
        assert not re.search("sw0rd|fish", str(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_a_misspelt_scheme_is_corrected() -> None:
    with pytest.raises(SessionStoreError, match=r"Did you mean redis://\?"):
        open_store("reddis://host")


def test_another_package_can_bring_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("mine", "fluxlit_sessions.urls:_memory", fluxlit_sessions.urls.GROUP)
    monkeypatch.setattr(fluxlit_sessions.urls, "entry_points", lambda *, group: EntryPoints([entry]))
    assert isinstance(open_store("mine://?max_bytes=10"), MemorySessionStore)
    with pytest.raises(SessionStoreError, match=r"known are .*mine"):
        open_store("yours://")


def test_the_gateway_finds_our_schemes_by_entry_point() -> None:
    found = {entry.name: entry.load() for entry in entry_points(group="fluxlit.session_stores")}
    for scheme in fluxlit_sessions.urls._BUILT_IN:
        assert found[scheme] is open_store


def certificate(folder: Path, name: str) -> Path:
    """Write a self-signed certificate for 127.0.0.1 and its key into one folder."""
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
