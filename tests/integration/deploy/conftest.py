"""The Redis of the sessions' tests."""

from tests.integration.sessions.conftest import redis_server

__all__ = ["redis_server"]
