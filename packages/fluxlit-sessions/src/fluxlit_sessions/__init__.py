"""Server-side sessions with opaque ids, in a store that replicas share."""

from fluxlit_sessions.codec import Codec
from fluxlit_sessions.commands import Backend
from fluxlit_sessions.encryption import KeyRing
from fluxlit_sessions.errors import (
    SessionConflict,
    SessionDataError,
    SessionError,
    SessionKeyConflict,
    SessionModelError,
    SessionNotFound,
    SessionSealError,
    SessionStoreError,
    SessionStoreFull,
    SessionStoreUnavailable,
    SessionTooLarge,
)
from fluxlit_sessions.memory import MemorySessionStore
from fluxlit_sessions.merge import MISSING
from fluxlit_sessions.model_session import ModelSession
from fluxlit_sessions.observability import Observer, OperationEvent
from fluxlit_sessions.options import StoreOptions
from fluxlit_sessions.page import UrlSession
from fluxlit_sessions.redis import RedisSessionStore
from fluxlit_sessions.session import KEEP, Session, SessionInfo
from fluxlit_sessions.sqlite import SQLiteSessionStore
from fluxlit_sessions.store import BackedStore, SessionStore
from fluxlit_sessions.url_session import url_session
from fluxlit_sessions.urls import open_store
from fluxlit_sessions.visitor import SIGNED_IN

__all__ = [
    "KEEP",
    "MISSING",
    "SIGNED_IN",
    "BackedStore",
    "Backend",
    "Codec",
    "KeyRing",
    "MemorySessionStore",
    "ModelSession",
    "Observer",
    "OperationEvent",
    "RedisSessionStore",
    "SQLiteSessionStore",
    "Session",
    "SessionConflict",
    "SessionDataError",
    "SessionError",
    "SessionInfo",
    "SessionKeyConflict",
    "SessionModelError",
    "SessionNotFound",
    "SessionSealError",
    "SessionStore",
    "SessionStoreError",
    "SessionStoreFull",
    "SessionStoreUnavailable",
    "SessionTooLarge",
    "StoreOptions",
    "UrlSession",
    "open_store",
    "url_session",
]
