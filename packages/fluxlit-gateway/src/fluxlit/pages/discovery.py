"""Pages that register themselves: import every module of a package."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any, Protocol

from fluxlit.errors import PageError, TargetError
from fluxlit.pages.record import PageRecord
from fluxlit.pages.registry import PageRegistry


class HasPages(Protocol):
    """An application with pages."""

    @property
    def pages(self) -> PageRegistry:
        """Its pages."""
        ...


def discover_pages(app: HasPages, package: str | ModuleType) -> tuple[PageRecord, ...]:
    """Import each module of a package, by name, to register its pages.

    A module with a function `register(app)` is called with the application. One without registers its
    pages as it is imported, by `app.page`. Modules with a leading underscore are left out.

    Args:
        app: the application.
        package: the package, or its dotted name.

    Returns:
        The pages that are new, in the order in which they were registered.

    Raises:
        TargetError: if there is no such package.
        PageError: if a module breaks a rule for pages. Then no page of the package stays registered.
    """
    before = app.pages.snapshot()
    try:
        for module in _modules(_package(package)):
            register = getattr(importlib.import_module(module), "register", None)
            if callable(register):
                register(app)
    except BaseException:
        app.pages.restore(before)
        raise
    return tuple(record for record in app.pages.snapshot() if record not in before)


def _package(package: str | ModuleType) -> ModuleType:
    if isinstance(package, ModuleType):
        return package
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        # Only the package itself may be missing; a module that it fails to import is the user's to see.
        if error.name is None or not f"{package}.".startswith(f"{error.name}."):
            raise
        raise TargetError(
            package,
            f"There is no package {package!r} to discover pages in. Give the dotted name of a folder with page "
            f"modules that can be imported from the application's folder.",
        ) from error


def _modules(package: ModuleType) -> list[str]:
    folders: Any = getattr(package, "__path__", None)
    if folders is None:
        raise PageError(f"{package.__name__!r} is a module, not a package: there are no page modules in it.")
    names = sorted(module.name for module in pkgutil.iter_modules(folders))
    return [f"{package.__name__}.{name}" for name in names if not name.startswith("_")]
