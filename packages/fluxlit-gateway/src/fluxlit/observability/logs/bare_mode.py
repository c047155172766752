"""What Streamlit reports of a process without its server.

It calls such a process "bare". The API's process is one for good, and every process is while it imports the
application. There are no pages to miss, so these records are dropped. One of them shows a mistake: a module that draws
while it is imported, as a script would.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_LOGGERS = (
    "streamlit",
    "streamlit.runtime.caching.cache_data_api",
    "streamlit.runtime.scriptrunner_utils.script_run_context",
    "streamlit.runtime.state.session_state_proxy",
)
_CACHING = "streamlit.runtime.caching"
_IMPORT = "importlib._bootstrap"
_PASSED = frozenset({"fluxlit", "streamlit"})


class BareModeFilter(logging.Filter):
    """Drops records of a process without server, and of an import."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is written."""
        places: list[str] | None = getattr(self._thread, "places", None)
        if places is not None:
            if not places and record.name.endswith("script_run_context"):
                places.extend(_caller(sys._getframe()))  # noqa: SLF001  (its documented purpose)
            return False
        runtime = sys.modules.get("streamlit.runtime")
        return runtime is None or bool(runtime.exists())

    @contextmanager
    def importing(self) -> Iterator[list[str]]:
        """Drop the records of this thread.

        Yields a list that gets the first line that draws.
        """
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self)
        places: list[str] = []
        self._thread.places = places
        try:
            yield places
        finally:
            self._thread.places = None


BARE_MODE = BareModeFilter()


def _caller(frame: FrameType | None) -> Iterator[str]:
    """Yield the line of the application that calls Streamlit.

    None where a library or a cached function does.
    """
    while frame is not None:
        module, file = str(frame.f_globals.get("__name__")), frame.f_code.co_filename
        if module.startswith(_CACHING) or module == _IMPORT:
            return
        package = module.partition(".")[0]
        if package not in _PASSED and package not in sys.stdlib_module_names and "site-packages" not in file:
            yield f"{file}:{frame.f_lineno}"
            return
        frame = frame.f_back
