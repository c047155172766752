"""How a worker process is started."""

from __future__ import annotations

from fluxlit.settings import Settings
from fluxlit.worker.command import WORKER


def test_a_worker_takes_every_handshake_that_the_gateway_lets_through() -> None:
    """Streamlit's library does not respond to a head over its own limits."""
    environment = WORKER.environment or {}
    largest = {name: field.metadata for name, field in Settings.model_fields.items()}
    for variable, setting in [
        ("WEBSOCKETS_MAX_LINE_LENGTH", "gateway_max_request_head_bytes"),
        ("WEBSOCKETS_MAX_NUM_HEADERS", "gateway_max_request_fields"),
    ]:
        (most,) = [each.le for each in largest[setting] if hasattr(each, "le")]
        assert int(environment[variable]) >= most
