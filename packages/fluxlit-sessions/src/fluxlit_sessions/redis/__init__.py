"""Sessions in Redis. Importing this package does not need redis-py; making a store does."""

from fluxlit_sessions.redis.backend import RedisSessionStore

__all__ = ["RedisSessionStore"]
