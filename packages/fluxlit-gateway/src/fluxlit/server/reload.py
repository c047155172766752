"""Reload of changed source files while the server runs (`fluxlit dev`)."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import cast

from fluxlit._internal.lifespan import Lifespan
from fluxlit._internal.reimport import Project
from fluxlit.pages.adoption import load_any
from fluxlit.pages.app_definition import AppDefinition
from fluxlit.server.adopted_api import documentation_paths, take_over, yields_mount
from fluxlit.server.api import stop_lifespan
from fluxlit.server.authentication import rules_of, secure_openapi
from fluxlit.server.lifecycle import Parts
from fluxlit.settings import Settings
from fluxlit.streamlit.log_routing import route_imported_logs

logger = logging.getLogger("fluxlit")


class Reloader:
    """Replaces the API in this process, and has the UI reload its pages.

    Args:
        parts: what runs.
        settings: the effective settings.
        project: the folder with the modules that may change.
        find_target: where the application is imported from.
    """

    def __init__(self, parts: Parts, settings: Settings, project: Path, find_target: Callable[[], str]) -> None:
        self._parts = parts
        self._settings = settings
        self._project = Project(project)
        self._find_target = find_target
        # Those of the first application: they alone were bound to the settings.
        self._authenticators = parts.api.application.authenticators

    async def reload(self, changed: frozenset[Path]) -> str:
        """Take over changed source files.

        Args:
            changed: absolute paths of files that were added, modified or deleted.

        Returns:
            One line about what was reloaded.

        Raises:
            FluxLitError: the new code cannot be loaded; the old code serves on.
        """
        done: list[str] = []
        try:
            if self._project.holds_loaded(changed):
                await self._reload_api()
                done.append("API")
        finally:
            # Also when the API could not be loaded: it is the pages that show the mistake in the open browser.
            if (backend := self._parts.ui.backend) is not None:
                done.append(await backend.reload(changed))
        return ", ".join(done)

    async def _reload_api(self) -> None:
        parts = self._parts
        with self._project.reimported():
            loaded = load_any(self._find_target())
            route_imported_logs()
            if loaded.warning:
                logger.warning("%s", loaded.warning)
            fresh = cast("AppDefinition", loaded.application)
            fresh.pages.validate(self._settings.api_mount_path)
            take_over(fresh.api, self._settings)
            lifespan = Lifespan(fresh.served_api)
            if parts.api.workers is None:
                await lifespan.start()
            else:
                await parts.api.workers.roll()
        old = parts.api.replace(fresh, lifespan)
        parts.gateway.api = parts.api.public
        docs, yields = documentation_paths(fresh, self._settings), yields_mount(fresh, self._settings)
        parts.gateway.routes = dataclasses.replace(parts.gateway.routes, docs=docs, api_yields=yields)
        if parts.auth is not None:
            parts.auth.rules = rules_of(fresh, self._settings)
            secure_openapi(fresh.api, self._authenticators, self._settings)
        await stop_lifespan(old, self._settings.api_shutdown_timeout_s)
