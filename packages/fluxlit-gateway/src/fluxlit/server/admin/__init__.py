"""The admin listener: metrics and status for operators."""

from fluxlit.server.admin.endpoints import Admin
from fluxlit.server.admin.listener import AdminServer
from fluxlit.server.admin.status import Reporter

__all__ = ["Admin", "AdminServer", "Reporter"]
