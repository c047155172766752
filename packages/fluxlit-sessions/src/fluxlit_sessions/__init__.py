"""Session stores for FluxLit: state on the server, found by an opaque id, in a store that all replicas share."""

from fluxlit_sessions.codec import Codec
from fluxlit_sessions.commands import Backend
from fluxlit_sessions.errors import (
    SessionConflict,
    SessionDataError,
    SessionError,
    SessionNotFound,
    SessionSealError,
    SessionStoreError,
    SessionStoreUnavailable,
    SessionTooLarge,
)
from fluxlit_sessions.memory import MemorySessionStore
from fluxlit_sessions.observe import Observer, OperationEvent
from fluxlit_sessions.options import StoreOptions
from fluxlit_sessions.redis import RedisSessionStore
from fluxlit_sessions.seal import KeyRing
from fluxlit_sessions.session import KEEP, Session, SessionInfo
from fluxlit_sessions.sqlite import SQLiteSessionStore
from fluxlit_sessions.store import BackedStore, SessionStore
from fluxlit_sessions.urls import open_store

__all__ = [
    "KEEP",
    "BackedStore",
    "Backend",
    "Codec",
    "KeyRing",
    "MemorySessionStore",
    "Observer",
    "OperationEvent",
    "RedisSessionStore",
    "SQLiteSessionStore",
    "Session",
    "SessionConflict",
    "SessionDataError",
    "SessionError",
    "SessionInfo",
    "SessionNotFound",
    "SessionSealError",
    "SessionStore",
    "SessionStoreError",
    "SessionStoreUnavailable",
    "SessionTooLarge",
    "StoreOptions",
    "open_store",
]
