"""Pages: registration, injection of parameters, navigation, manifest."""

from fluxlit.pages.discovery import discover_pages
from fluxlit.pages.elements import sign_in, sign_out
from fluxlit.pages.injection import run_page
from fluxlit.pages.manifest import manifest, manifest_json
from fluxlit.pages.marker import Cookie, Depends, Header, Query
from fluxlit.pages.navigation import build_navigation
from fluxlit.pages.options import PageOptions
from fluxlit.pages.record import Layout, PageRecord, SidebarState
from fluxlit.pages.registry import PageRegistry
from fluxlit.pages.run_context import RunContext
from fluxlit.pages.visible import Pages

__all__ = [
    "Cookie",
    "Depends",
    "Header",
    "Layout",
    "PageOptions",
    "PageRecord",
    "PageRegistry",
    "Pages",
    "Query",
    "RunContext",
    "SidebarState",
    "build_navigation",
    "discover_pages",
    "manifest",
    "manifest_json",
    "run_page",
    "sign_in",
    "sign_out",
]
