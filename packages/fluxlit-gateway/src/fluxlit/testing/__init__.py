"""Tools for testing FluxLit applications, from one page to a whole server."""

from fluxlit.testing.api import api_client, async_api_client
from fluxlit.testing.page import page_test
from fluxlit.testing.server import Server, ServerError, run_server

__all__ = ["Server", "ServerError", "api_client", "async_api_client", "page_test", "run_server"]
