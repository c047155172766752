"""How a worker process is started."""

from __future__ import annotations

import sys

import pytest

from fluxlit.backends.backend import withheld
from fluxlit.server.http.request_head import HttpLimits
from fluxlit.settings import Settings
from fluxlit.settings.describe import env_name, is_secret
from fluxlit.supervisor.spawn import Command, SpawnedProcess
from fluxlit.worker.command import WORKER


def test_a_worker_takes_every_handshake_that_the_gateway_lets_through() -> None:
    """Streamlit's library does not respond to a head over its own limits."""
    environment = WORKER.environment or {}
    (largest,) = [
        each.le for each in Settings.model_fields["gateway_max_request_head_bytes"].metadata if hasattr(each, "le")
    ]
    assert int(environment["WEBSOCKETS_MAX_LINE_LENGTH"]) >= largest
    assert int(environment["WEBSOCKETS_MAX_NUM_HEADERS"]) >= 2 * HttpLimits().headers  # and those of the gateway


SECRETS = {name for name in Settings.model_fields if is_secret(name)}


def test_a_worker_gets_no_secrets_of_fluxlit_from_the_environment() -> None:
    """The command is made before the settings are read; it lists them."""
    assert WORKER.withheld == {env_name(name) for name in SECRETS}


def test_what_is_withheld_is_not_in_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """ASVS 5.0, 13.3.2."""
    for name in (*WORKER.withheld, "fluxlit_secret_key", "FLUXLIT_TITLE", "DATABASE_PASSWORD"):
        monkeypatch.setenv(name, "1")
    program = "import os; print(*sorted(x for x in os.environ if 'FLUXLIT' in x.upper() or 'DATABASE' in x))"
    spawned = SpawnedProcess.of(Command([sys.executable, "-c", program], withheld=WORKER.withheld))
    try:
        printed, _ = spawned.popen.communicate(timeout=60)
    finally:
        spawned.discard()
    assert printed.decode().split() == ["DATABASE_PASSWORD", "FLUXLIT_LIFELINE_FD", "FLUXLIT_TITLE"]


@pytest.mark.parametrize(("store", "sent"), [(None, set()), ("redis://cache", {"secret_key"})])
def test_a_worker_is_sent_the_key_only_where_it_keeps_sessions(store: str | None, sent: set[str]) -> None:
    """ASVS 5.0, 13.3.2."""
    assert SECRETS - withheld(Settings(session_store=store)) == sent
