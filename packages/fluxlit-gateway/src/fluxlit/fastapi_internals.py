"""All of FastAPI that FluxLit touches although it is not public: two shortcuts on the way to a running process.

Neither changes what FastAPI does. `tests/gateway/runtime/test_fastapi_internals.py` fails when a new FastAPI moves one
of them; a start is then slower, and nothing else.

=====================================  ================================================================================
What FastAPI does                      What is done instead
=====================================  ================================================================================
builds validators for all of OpenAPI   Each is built when it is first used (`defer_build`): FastAPI needs one of them
when it is imported                    at import, and the others to write the documentation. Saves a third of its
                                       import, and 2 MB.
loads pydantic.v1 with the first       While nobody has loaded pydantic.v1, no class can be one of its models, so the
route, to refuse its models            answer is known. Saves 15 ms, and 2 MB.
=====================================  ================================================================================
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

OPENAPI = "fastapi.openapi.models"
V1 = "pydantic.v1.main"


def import_fastapi() -> None:
    """Import FastAPI, unless that has been done."""
    if "fastapi" in sys.modules:
        return
    with _deferring(OPENAPI):
        import fastapi  # noqa: F401, PLC0415
    shared: Any = sys.modules.get("fastapi._compat.shared")
    is_v1 = getattr(shared, "is_pydantic_v1_model_class", None)
    if is_v1 is not None:
        shared.is_pydantic_v1_model_class = lambda cls: V1 in sys.modules and is_v1(cls)


@contextlib.contextmanager
def _deferring(module: str) -> Iterator[None]:
    """Let the models of a module that is imported inside the block be built when they are used."""
    finder = _Finder(module)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder(MetaPathFinder):
    """Finds one module, as Python would, and lets its models wait."""

    def __init__(self, module: str) -> None:
        self._module = module

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a module; `None` for all others."""
        if name != self._module:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            execute = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                with _models_wait():
                    execute(module)

            loader.exec_module = exec_module
        return spec


@contextlib.contextmanager
def _models_wait() -> Iterator[None]:
    """Let no pydantic model be built that is defined in the block, not even where its module asks for that."""
    from pydantic import BaseModel  # noqa: PLC0415  # part of what takes long

    base: Any = BaseModel
    config, rebuild = base.model_config, base.__dict__["model_rebuild"]
    base.model_config = {**config, "defer_build": True}
    base.model_rebuild = classmethod(lambda _cls, **_options: None)
    try:
        yield
    finally:
        base.model_config, base.model_rebuild = config, rebuild
