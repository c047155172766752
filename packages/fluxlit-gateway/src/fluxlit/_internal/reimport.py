"""Import a project's modules again in a running process."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from fluxlit._internal.lazy import attributes

INSTALLED = frozenset({"site-packages", "dist-packages", ".venv", "venv"})

# They run the reload, and hold what lives through it. A checkout of FluxLit may well lie inside a project.
FLUXLIT = frozenset({"fluxlit", "fluxlit_auth", "fluxlit_cli", "fluxlit_deploy", "fluxlit_sessions"})


class Project:
    """The modules of this process that belong to the user's project.

    Args:
        root: directory of the project.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def loaded(self) -> dict[str, ModuleType]:
        """The project's imported modules by name; never FluxLit's own."""
        return {
            name: module
            for name, module in list(sys.modules.items())
            if name != "__main__"
            and name.partition(".")[0] not in FLUXLIT
            and (file := attributes(module).get("__file__"))
            and self._owns(Path(file))
        }

    def holds_loaded(self, changed: frozenset[Path]) -> bool:
        """Whether one of the files is the source of an imported module."""
        files = {Path(attributes(module)["__file__"]).resolve() for module in self.loaded().values()}
        return any(path.resolve() in files for path in changed)

    @contextlib.contextmanager
    def reimported(self) -> Iterator[None]:
        """Import the project's modules again; an exception restores the old ones."""
        old = self.loaded()
        for name, module in old.items():
            del sys.modules[name]
            _drop_bytecode(module)
        importlib.invalidate_caches()
        try:
            yield
        except BaseException:
            for name in self.loaded():
                del sys.modules[name]
            sys.modules.update(old)
            raise

    def _owns(self, file: Path) -> bool:
        file = file.resolve()
        return file.is_relative_to(self._root) and not INSTALLED & set(file.relative_to(self._root).parts)


def _drop_bytecode(module: ModuleType) -> None:
    """Remove a module's compiled file.

    Python takes it for current while size and whole second of the source stay the same, and so would miss the second
    of two quick saves (PEP 552).
    """
    spec = attributes(module).get("__spec__")
    if spec and spec.cached:
        with contextlib.suppress(OSError):
            Path(spec.cached).unlink()
