"""FastAPI and Streamlit on one port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluxlit._internal.lazy import lazy_exports

if TYPE_CHECKING:
    from fluxlit.app import FluxLit
    from fluxlit.auth.contract import User
    from fluxlit.client import ApiClient
    from fluxlit.errors import (
        AddressInUseError,
        ClientError,
        FluxLitError,
        PageError,
        Problem,
        SettingsError,
        TargetError,
        WorkerError,
    )
    from fluxlit.pages import Cookie, Depends, Header, Pages, Query, sign_in, sign_out
    from fluxlit.pages.restored_session import RestoredSession, restored_session
    from fluxlit.sessions import SessionStore, session_store
    from fluxlit.settings import Settings
    from fluxlit.urls import PublicUrls, Urls
    from fluxlit.users import CurrentUser, OptionalUser, current_user, require_login, require_roles

__all__ = [
    "AddressInUseError",
    "ApiClient",
    "ClientError",
    "Cookie",
    "CurrentUser",
    "Depends",
    "FluxLit",
    "FluxLitError",
    "Header",
    "OptionalUser",
    "PageError",
    "Pages",
    "Problem",
    "PublicUrls",
    "Query",
    "RestoredSession",
    "SessionStore",
    "Settings",
    "SettingsError",
    "TargetError",
    "Urls",
    "User",
    "WorkerError",
    "current_user",
    "require_login",
    "require_roles",
    "restored_session",
    "session_store",
    "sign_in",
    "sign_out",
]

# This file runs first, with any import of FluxLit. FastAPI takes a third of a second to import, and the command
# line and the workers have better things to do in that time.
__getattr__ = lazy_exports(
    __name__,
    {
        "fluxlit.users": ("CurrentUser", "OptionalUser", "current_user", "require_login", "require_roles"),
        "fluxlit.app": ("FluxLit",),
        "fluxlit.auth.contract": ("User",),
        "fluxlit.client": ("ApiClient",),
        "fluxlit.errors": (
            "AddressInUseError",
            "ClientError",
            "FluxLitError",
            "PageError",
            "Problem",
            "SettingsError",
            "TargetError",
            "WorkerError",
        ),
        "fluxlit.pages": ("Cookie", "Depends", "Header", "Pages", "Query", "sign_in", "sign_out"),
        "fluxlit.pages.restored_session": ("RestoredSession", "restored_session"),
        "fluxlit.sessions": ("SessionStore", "session_store"),
        "fluxlit.settings": ("Settings",),
        "fluxlit.urls": ("PublicUrls", "Urls"),
    },
)
