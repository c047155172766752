"""The project fixture, for every test of the UI."""

from tests.gateway.worker.project import project

__all__ = ["project"]
