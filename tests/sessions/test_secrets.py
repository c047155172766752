"""Who reads the store gets nobody's session."""

import base64
import itertools
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fluxlit_sessions import KeyRing, RedisSessionStore, SessionSealError, SessionStoreError, SQLiteSessionStore
from fluxlit_sessions.ids import Ids, Kind
from fluxlit_sessions.seal import PlainSealer
from tests.sessions.servers import PATIENT, RedisServer

KEYS = ["current-key-" * 3]
SECRET = "swordfish-2c1f"
SUBJECT = "ada.lovelace@example.org"
Dump = Callable[[], bytes]


def redis_dump(server: RedisServer, namespace: str) -> bytes:
    """Return every key of a namespace with its value as Redis would write it to disk, and as it is."""
    parts: list[bytes] = []
    with server.client() as client:
        for key in client.scan_iter(f"*:{namespace}:*", count=1000):
            kind = client.type(key)
            value = client.get(key) if kind == b"string" else b" ".join(client.zrange(key, 0, -1))
            parts += [key, client.dump(key), value]
    return b"\n".join(parts)


@pytest.fixture(params=["sqlite", "redis"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, redis_server: RedisServer, namespace: str
) -> Iterator[tuple[Callable[..., Any], Dump]]:
    opened: list[Any] = []

    def make(**options: Any) -> Any:
        store: Any
        if request.param == "sqlite":
            store = SQLiteSessionStore(tmp_path / "s.db", **options)
        else:
            store = RedisSessionStore(redis_server.url, **{"namespace": namespace, **PATIENT, **options})
        opened.append(store)
        return store

    def dump() -> bytes:
        if request.param == "redis":
            return redis_dump(redis_server, namespace)
        return b"".join(path.read_bytes() for path in sorted(tmp_path.iterdir()))

    yield make, dump
    for store in opened:
        store.close()


def spellings(secret: str) -> list[bytes]:
    """Return ways in which an id could be written down."""
    raw = base64.urlsafe_b64decode(secret)
    return [secret.encode(), raw, raw[1:], raw.hex().encode(), base64.b64encode(raw[1:]).rstrip(b"=")]


def use(store: Any) -> list[str]:
    """Use every operation; return all ids and tokens that were ever given out."""
    session = store.create({"secret": SECRET}, subject=SUBJECT)
    saved = store.save(session, {"secret": SECRET, "n": 1})
    store.touch(saved.id)
    moved = store.rotate(saved)
    deleted = store.create({"secret": SECRET})
    store.delete(deleted.id)
    waiting, taken = (store.put_once("login", {"verifier": SECRET}, ttl=3600) for _ in range(2))
    store.take_once("login", taken)
    assert len(list(store.list())) == 1
    return [session.id, moved.id, deleted.id, waiting, taken]


def test_no_id_and_no_token_is_ever_stored(place: tuple[Callable[..., Any], Dump]) -> None:
    make, dump = place
    given = use(make())
    stored = dump()
    assert SECRET.encode() in stored  # without encryption the data is there, so the search itself works
    assert [item for item in given if any(spelling in stored for spelling in spellings(item))] == []


def test_with_encryption_no_data_and_no_name_is_stored_either(place: tuple[Callable[..., Any], Dump]) -> None:
    make, dump = place
    given = use(make(keys=KEYS))
    stored = dump()
    assert len(stored) > 500
    assert SECRET.encode() not in stored
    assert SUBJECT.encode() not in stored
    assert [item for item in given if any(spelling in stored for spelling in spellings(item))] == []


def test_nothing_stored_is_an_id(redis_server: RedisServer, namespace: str) -> None:
    with RedisSessionStore(redis_server.url, namespace=namespace, **PATIENT) as store, redis_server.client() as client:
        session = store.create(subject=SUBJECT)
        words = [word for key in client.scan_iter() for word in key.decode().split(":")]
        assert [word for word in [*words, session.handle] if store.read(word)] == []


def encrypted(server: RedisServer, namespace: str) -> RedisSessionStore:
    return RedisSessionStore(server.url, namespace=namespace, keys=KEYS, **PATIENT)


def test_a_record_does_not_open_in_the_place_of_another(redis_server: RedisServer, namespace: str) -> None:
    with encrypted(redis_server, namespace) as store, redis_server.client() as client:
        victim, attacker = store.create({"who": "victim"}), store.create({"who": "attacker"})
        keys = {bytes.fromhex(session.handle[2:]): session for session in (victim, attacker)}
        names = {
            keys[base64.urlsafe_b64decode(name.rsplit(b":", 1)[1] + b"=")].handle: name
            for name in client.scan_iter(match=f"fluxlit:1:{namespace}:*")
        }
        client.copy(names[victim.handle], names[attacker.handle], replace=True)
        with pytest.raises(SessionSealError, match="moved"):
            store.read(attacker.id)
        assert store.read(victim.id) == victim


def test_a_record_does_not_open_under_another_version_or_without_its_user(
    redis_server: RedisServer, namespace: str
) -> None:
    with encrypted(redis_server, namespace) as store, redis_server.client() as client:
        session = store.create({"n": 1}, subject=SUBJECT)
        (name,) = client.scan_iter(match=f"fluxlit:1:{namespace}:*:s:*")
        whole = client.get(name)
        client.setrange(name, 1, (7).to_bytes(8, "big"))
        with pytest.raises(SessionSealError):
            store.read(session.id)
        size = int.from_bytes(whole[137:139], "big")
        client.set(name, whole[:137] + b"\0\0" + whole[139 + size :])
        with pytest.raises(SessionSealError):
            store.read(session.id)
        client.set(name, whole)
        assert store.read(session.id) == session


def test_ids_mean_nothing_in_another_namespace_or_for_another_purpose() -> None:
    text = Ids("one").mint().text
    readings = [Ids("one").parse(text), Ids("two").parse(text), Ids("one").parse(text, Kind.ONCE)]
    readings += [Ids("one").parse(text, Kind.ONCE, purpose) for purpose in ("login", "logout")]
    digests = [reading.key.digest for reading in readings if reading]
    assert len(set(digests)) == len(digests) == 5


def test_a_key_ring_opens_what_any_of_its_keys_sealed() -> None:
    old, new = KeyRing(["old" * 11]), KeyRing(["new" * 11, "old" * 11])
    sealed = old.seal(b"plain", secret=b"s", context=b"c")
    assert new.open(sealed, secret=b"s", context=b"c") == b"plain"
    assert old.tags("ada")[0] in new.tags("ada")
    for bad in (
        {"secret": b"x", "context": b"c"},
        {"secret": b"s", "context": b"x"},
    ):
        with pytest.raises(SessionSealError):
            new.open(sealed, **bad)
    for number, position in itertools.product([1], range(len(sealed))):
        broken = bytearray(sealed)
        broken[position] ^= number
        with pytest.raises(SessionSealError):
            new.open(bytes(broken), secret=b"s", context=b"c")
    for short in (b"", b"\x01", sealed[:10], sealed[:20]):
        with pytest.raises(SessionSealError):
            new.open(short, secret=b"s", context=b"c")


def test_the_same_plain_text_never_looks_the_same_twice() -> None:
    ring = KeyRing(KEYS)
    assert len({ring.seal(b"plain", secret=b"s", context=b"c") for _ in range(20)}) == 20


@pytest.mark.parametrize("keys", [[], ["short"], ["x" * 32, ""]])
def test_weak_keys_are_refused(keys: list[str]) -> None:
    with pytest.raises(SessionStoreError, match="key"):
        KeyRing(keys)


def test_an_unencrypted_store_refuses_what_it_cannot_read() -> None:
    sealed = KeyRing(KEYS).seal(b"x", secret=b"s", context=b"c")
    with pytest.raises(SessionSealError, match="no keys"):
        PlainSealer().open(sealed, secret=b"s", context=b"c")


def test_the_session_file_is_for_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with SQLiteSessionStore(tmp_path / "s.db") as store:
            store.create()
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert set(modes) == {"s.db", "s.db-wal", "s.db-shm"}
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("module", ["redis", "cryptography", "pytest", "hypothesis", "fluxlit", "streamlit"])
def test_using_a_store_imports_nothing_that_is_optional(module: str) -> None:
    code = (
        "import sys, fluxlit_sessions as s; m = s.open_store('memory://'); m.read(m.create().id); "
        f"sys.exit({module!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("module", "use"),
    [("redis", "s.open_store('redis://x')"), ("cryptography", "s.open_store('memory://', keys=['k' * 32])")],
)
def test_a_missing_package_is_named_with_its_remedy(module: str, use: str) -> None:
    code = (
        f"import sys; sys.modules[{module!r}] = None\nimport fluxlit_sessions as s\n"
        f"try:\n    {use}\nexcept s.SessionStoreError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert 'pip install "fluxlit-sessions[' in done.stdout
