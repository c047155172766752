"""Importing things when they are first used."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any


def lazy_import(name: str) -> ModuleType:
    """A module that is loaded at the first look at one of its attributes.

    Args:
        name: name of an installed top-level module.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    loader = importlib.util.LazyLoader(spec.loader)
    spec.loader = loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


def attributes(module: object) -> dict[str, Any]:
    """The attributes that a module has now.

    A lazy module is loaded by each usual way to look, also by ``vars``, and may fail to.

    Args:
        module: value of `sys.modules`, which may be something else than a module, and pretend to be one (cffi).
    """
    if issubclass(type(module), ModuleType):
        found: dict[str, Any] = object.__getattribute__(module, "__dict__")
        return found
    return getattr(module, "__dict__", {})


def lazy_exports(package: str, names: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """A package's ``__getattr__`` that imports names on first use (PEP 562).

    Args:
        package: name of the package.
        names: module -> what the package exports of it.
    """
    homes = {name: module for module, exported in names.items() for name in exported}

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return get
