"""From a URL to a store."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import subprocess
import sys
import textwrap
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from typing import Any

import pytest

import fluxlit_sessions.urls
from fluxlit_sessions import (
    MemorySessionStore,
    SessionStoreError,
    SQLiteSessionStore,
    open_store,
)


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


@pytest.mark.parametrize("url", ["memory://", "sqlite:///sessions.db", "redis://127.0.0.1:1"])
def test_a_misspelt_option_is_refused(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options: Any = {"idle_tll": 3}
    with pytest.raises(TypeError, match="no option 'idle_tll'; did you mean 'idle_ttl'"):
        open_store(url, **options)


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


SECRET = "swordfish-2c1f"


SUBJECT = "ada.lovelace@example.org"


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


def test_using_a_store_imports_nothing_that_is_optional() -> None:
    code = (
        "import sys, fluxlit_sessions as s; m = s.open_store('memory://'); m.read(m.create().id); "
        "print({'redis', 'cryptography', 'pytest', 'hypothesis', 'fluxlit', 'streamlit'} & {*sys.modules})"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_a_missing_package_is_named_with_its_remedy() -> None:
    code = """
        import sys
        sys.modules["redis"] = sys.modules["cryptography"] = None
        import fluxlit_sessions as s
        for use in (lambda: s.open_store("redis://x"), lambda: s.open_store("memory://", keys=["k" * 32])):
            try:
                use()
            except s.SessionStoreError as error:
                print(error)
    """
    said = subprocess.check_output([sys.executable, "-c", textwrap.dedent(code)], text=True)
    assert [f'pip install "fluxlit-sessions[{extra}' in said for extra in ("redis]", "encryption]")] == [True, True]
