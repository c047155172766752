"""Where a server listens, and what it reports of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from fluxlit import FluxLit
from fluxlit.errors import AddressInUseError
from fluxlit.pages.app_definition import AppDefinition
from fluxlit.server.runtime import Runtime
from fluxlit.server.serve import listening, ready
from fluxlit.settings import Settings


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        yield holder.getsockname()[1]


def test_the_next_free_port_is_taken_only_on_request(taken: int) -> None:
    settings = Settings(gateway_port=taken)
    with pytest.raises(AddressInUseError, match=str(taken)), listening(settings):
        pass
    with listening(settings, other_port=True) as found:
        report = ready(Runtime(FluxLit(gateway_port=taken)), found[0])(1.0)
        assert found[0].socket.getsockname()[1] > taken
        assert report.busy_port == taken
        assert report.url == f"http://127.0.0.1:{found[0].socket.getsockname()[1]}/"


def test_a_host_name_is_reported_as_it_was_given() -> None:
    with listening(Settings(gateway_host="localhost", gateway_port=0)) as found:
        assert found[0].origin(tls=False).startswith("http://localhost:")


def test_it_reports_which_halves_there_are() -> None:
    app = AppDefinition(gateway_port=0)
    with listening(Settings(gateway_port=0)) as found:
        report = ready(Runtime(app), found[0])(1.0)
        assert (report.has_ui, report.has_api, report.busy_port) == (False, False, None)
        app.api.get("/n")(lambda: 1)
        app.page("/")(lambda: None)
        report = ready(Runtime(app), found[0], "Streamlit script x.py")(1.0)
        assert (report.has_ui, report.has_api, report.adopted) == (True, True, "Streamlit script x.py")
