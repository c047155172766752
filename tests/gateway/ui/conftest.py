"""The project fixture, for every test of the UI."""

from tests.gateway.ui.project import project

__all__ = ["project"]
