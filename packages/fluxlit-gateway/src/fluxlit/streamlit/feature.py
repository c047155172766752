"""One use of names of Streamlit that are not public, and its fallback.

A feature lists every such name that it uses. Before its first use it looks for all of them, and tries them where a
name alone proves too little. With a Streamlit that lacks one the feature is off: the log reports it, and each function
that belongs to it does what its docstring describes instead. A feature that nothing can be served without, or without
which users with a login would not be kept apart, refuses the start.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import inspect
import logging
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from types import CodeType, FunctionType
from typing import Any, TypeVar

from fluxlit._internal.tested_versions import is_tested, minor, tested_range
from fluxlit.errors import WorkerError

logger = logging.getLogger("fluxlit.ui")

T = TypeVar("T")


class When(Enum):
    """When a feature is in use."""

    ALWAYS = "always"
    LOGIN = "the application has a login"
    DEVELOPMENT = "fluxlit dev"
    EMBEDDED = "Streamlit runs in the gateway's process"
    RESTORE = "sessions are restored from copies"
    TESTS = "page tests"


class Feature:
    """What FluxLit does with some names of Streamlit that are not public.

    Args:
        title: what it is, for the log.
        off: what users lose while it is off, one sentence or two.
        names: ``module:Owner.attribute``, everything that it uses. An attribute may be one that objects of the class
            get when they are made.
        used: when it is in use.
        required: when the start is refused without it.
        since: name -> the release that introduced it, for names that older tested releases lack.
        probe: tries what the presence of names does not prove; raises if it does not work.
    """

    def __init__(
        self,
        title: str,
        *,
        off: str,
        names: Collection[str],
        used: Collection[When] = (When.ALWAYS,),
        required: Collection[When] = (),
        since: Mapping[str, str] | None = None,
        probe: Callable[[], None] | None = None,
    ) -> None:
        self.title = title
        self.off = off
        self.names = tuple(names)
        self.used = frozenset(used)
        self.required = frozenset(required)
        self._since = since or {}
        self._probe = probe
        self._probed = False
        self._lack: str | None = None

    @property
    def lack(self) -> str | None:
        """What this Streamlit lacks of it, `None` if nothing. Imports Streamlit."""
        if not self._probed:
            self._lack = self._look()
            self._probed = True
        return self._lack

    @property
    def on(self) -> bool:
        """It can be used."""
        return self.lack is None

    def attempt(self, action: Callable[[], T], otherwise: T) -> T:
        """What `action` returns; `otherwise` while the feature is off.

        An action that fails switches the feature off for good.
        """
        if not self.on:
            return otherwise
        try:
            return action()
        except Exception as error:  # noqa: BLE001  (another release may raise anything here)
            self._lack = f"{type(error).__name__}: {error}"
            logger.warning("%s", self.notice())
            return otherwise

    def notice(self) -> str:
        """The log line about a feature that is off."""
        return f"Off with Streamlit {version()}: {self.title} ({self.lack}). {self.off} {_advice()}"

    def refusal(self) -> str:
        """The error message about a required feature that is off."""
        return (
            f"Streamlit {version()} cannot be used: FluxLit needs {self.title}, which this release has changed "
            f"({self.lack}). {_advice()}"
        )

    def _look(self) -> str | None:
        try:
            for name in self.names:
                since = self._since.get(name)  # few have one, and the version is read from the disk
                if (since is None or minor(version()) >= minor(since)) and not has(name):
                    return f"there is no {name}"
            if self._probe is not None:
                self._probe()
        except Exception as error:  # noqa: BLE001  (another release may raise anything here)
            return f"{type(error).__name__}: {error}"
        return None


def _advice() -> str:
    remedy = "install one of these releases"
    if is_tested("streamlit", version()):
        remedy = "this one is among them, so the cause is in what the error names"
    return f"FluxLit is tested with Streamlit {tested_range('streamlit')}: {remedy}."


def version() -> str:
    """The installed release of Streamlit."""
    return importlib.metadata.version("streamlit")


def report(features: Collection[Feature], situations: Collection[When]) -> None:
    """Log each feature that is in use and off.

    Args:
        features: all of them.
        situations: what is true of this process, `When.ALWAYS` included.

    Raises:
        WorkerError: a feature that is required lacks something.
    """
    missing = [feature for feature in features if not feature.used.isdisjoint(situations) and not feature.on]
    for feature in missing:
        if not feature.required.isdisjoint(situations):
            raise WorkerError(feature.refusal())
    for feature in missing:
        logger.warning("%s", feature.notice())


def has(name: str) -> bool:
    """Whether the installed Streamlit has a name, written as in `Feature`."""
    module, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except ImportError:
        return False
    for part in path.split(".") if path else ():
        if not _has_attribute(found, part):
            return False
        found = inspect.getattr_static(found, part, None)
    return True


def _has_attribute(owner: Any, name: str) -> bool:
    if hasattr(owner, name):
        return True
    if not isinstance(owner, type):
        return False
    return any(name in vars(kind).get("__annotations__", {}) or name in _mentioned(kind) for kind in owner.__mro__)


@functools.cache
def _mentioned(kind: type) -> frozenset[str]:
    """The attributes that methods of a class speak of: its objects have them."""
    functions = (value for value in vars(kind).values() if isinstance(value, FunctionType))
    return frozenset(name for function in functions for name in _names_in(function.__code__))


def _names_in(code: CodeType) -> set[str]:
    nested = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return {*code.co_names, *(name for inner in nested for name in _names_in(inner))}
