"""Sessions in Redis. Only creating a store needs redis-py."""

from fluxlit_sessions.redis.backend import RedisSessionStore

__all__ = ["RedisSessionStore"]
