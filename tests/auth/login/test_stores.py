"""The stores of a login: namespaces and lifetimes of their own."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from fluxlit.settings import Settings
from fluxlit_auth.login.stores import open_stores, warn_about_memory
from fluxlit_sessions import SessionStoreFull, open_store
from tests.sessions.servers import RedisServer, needs_redis, running

pytestmark = pytest.mark.anyio


async def test_logins_are_apart_from_page_sessions_and_have_their_own_lifetimes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 's.db'}"
    settings = Settings(session_store=f"{url}?namespace=shop&idle_ttl=5&absolute_ttl=5", login_idle_timeout_s=600.0)
    stores = open_stores(settings)
    session = await stores.sessions.acreate({"a": 1})
    assert session.expires_at - session.created_at == timedelta(seconds=600)
    with open_store(f"{url}?namespace=shop") as pages:
        assert list(pages.list()) == []
        assert pages.read(session.id) is None
    assert await stores.shared.aread(session.id) is None
    await stores.close()


@pytest.mark.parametrize("password", ["p", "p/w", "p?w", "p#?w", "[p]w", "p@w?"])
@pytest.mark.parametrize("options", ["", "?timeout=1", "?namespace=shop&idle_ttl=5"])
async def test_the_password_of_a_store_may_stand_as_it_is(password: str, options: str) -> None:
    stores = open_stores(Settings(session_store=f"redis://ada:{password}@cache:6380/1{options}"))
    assert [store.location for store in (stores.sessions, stores.shared)] == ["redis://cache:6380/1"] * 2
    await stores.close()


@pytest.mark.parametrize(("store", "warned"), [(None, True), ("memory://", True), ("sqlite:///s.db", False)])
def test_a_store_in_memory_is_warned_about(store: str | None, warned: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "fluxlit_auth")
    warn_about_memory(Settings(session_store=store))
    assert ("FLUXLIT_SESSION_STORE" in caplog.text) is warned


@needs_redis
async def test_logins_and_logouts_are_written_where_redis_is_full_and_attempts_are_not(tmp_path: Path) -> None:
    with running(RedisServer(tmp_path)) as server, server.client() as client:
        client.config_set("maxmemory", 1)
        stores = open_stores(Settings(session_store=server.url, secret_key=("k" * 32,)))
        login = await stores.sessions.acreate({"tokens": "short"}, subject="ada")
        assert (await stores.sessions.asave(login, {"tokens": "longer than before"})).version == 2
        assert (await stores.shared.acreate({"ended": ["handle"]})).version == 1
        with pytest.raises(SessionStoreFull):
            await stores.sessions.aput_once("login", {}, ttl=60)
        await stores.close()
