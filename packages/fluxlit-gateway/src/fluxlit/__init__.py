"""FastAPI and Streamlit on one port."""

from fluxlit.app import FluxLit
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
from fluxlit.pages import Cookie, Depends, Header, Query
from fluxlit.settings import Settings

__all__ = [
    "AddressInUseError",
    "ApiClient",
    "ClientError",
    "Cookie",
    "Depends",
    "FluxLit",
    "FluxLitError",
    "Header",
    "PageError",
    "Problem",
    "Query",
    "Settings",
    "SettingsError",
    "TargetError",
    "WorkerError",
]
