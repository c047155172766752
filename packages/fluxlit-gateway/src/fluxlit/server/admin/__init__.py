"""What operators ask a running server, on a listener of its own: its metrics and its status."""

from fluxlit.server.admin.endpoints import Admin
from fluxlit.server.admin.listener import AdminServer
from fluxlit.server.admin.status import Reporter

__all__ = ["Admin", "AdminServer", "Reporter"]
