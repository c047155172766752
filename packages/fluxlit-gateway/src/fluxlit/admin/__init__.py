"""What operators ask a running server, on a listener of its own: its metrics and its status."""

from fluxlit.admin.application import Admin
from fluxlit.admin.listening import AdminServer
from fluxlit.admin.reporter import Reporter

__all__ = ["Admin", "AdminServer", "Reporter"]
