"""What a FastAPI application declares that FluxLit decides itself."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import fastapi.routing
from fastapi import FastAPI

from fluxlit.gateway.routes import PROBES
from fluxlit.pages.app_definition import AppDefinition
from fluxlit.settings import Settings

logger = logging.getLogger("fluxlit")


def take_over(api: FastAPI, settings: Settings) -> None:
    """Decide what an application cannot: its mount and the probes.

    Each change is logged with the remedy.

    Args:
        api: adopted, or made by FluxLit with the user's arguments.
        settings: the effective settings.
    """
    mount = settings.root_path + settings.api_mount_path
    if api.root_path:
        # FastAPI would write it over the mount of each request, and no route would match.
        logger.warning(
            "FastAPI(root_path=%r) is not used: the API is at %s. Remove it; the public prefix of the whole "
            "application is FLUXLIT_ROOT_PATH.",
            api.root_path,
            mount,
        )
        api.root_path = ""
    for path in own_probes(api):
        logger.warning(
            "The API's own %s is never reached: FluxLit serves %s%s itself. Remove it, or give it another path.",
            path,
            settings.api_mount_path,
            path,
        )


def own_probes(api: FastAPI) -> list[str]:
    """The paths of FluxLit's probes for which the API has routes too."""
    # FastAPI resolves the prefixes of routers itself since it no longer copies their routes.
    routes: Iterable[Any] = getattr(fastapi.routing, "iter_route_contexts", iter)(api.routes)
    return sorted({route.path for route in routes if getattr(route, "methods", None) and route.path in PROBES})


def yields_mount(application: AppDefinition, settings: Settings) -> bool:
    """Whether a page may have the address of the API's mount.

    The page of a script or of another Streamlit, if the API has nothing there itself.

    Args:
        application: the FluxLit object.
        settings: the effective settings.
    """
    if application.ui_script is None and settings.streamlit_mode != "external":
        return False
    root = {"type": "http", "method": "GET", "path": "/", "root_path": "", "headers": []}
    return all(route.matches(root)[0].name == "NONE" for route in application.api.router.routes)


def documentation_paths(application: AppDefinition, settings: Settings) -> Mapping[str, str]:
    """The usual paths of documentation that lead to the API's.

    A page has precedence. Which pages a script or another Streamlit has is not known here, so there are none then.

    Args:
        application: the FluxLit object.
        settings: the effective settings.
    """
    if application.ui_script is not None or settings.streamlit_mode == "external":
        return {}
    api, pages = application.api, {record.path for record in application.pages}
    if not api.openapi_url:
        return {}
    usual = {"/docs": api.docs_url, "/redoc": api.redoc_url, "/openapi.json": api.openapi_url}
    return {path: target for path, target in usual.items() if target and path not in pages}
