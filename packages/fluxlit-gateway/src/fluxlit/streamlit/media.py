# ruff: noqa: SLF001
"""Which session a file in Streamlit's media store was made for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fluxlit.streamlit.feature import Feature, When
from fluxlit.streamlit.script_run import current_session

if TYPE_CHECKING:
    from streamlit.runtime import Runtime

_FILES = "streamlit.runtime.media_file_manager:MediaFileManager"

MEDIA_OWNERS = Feature(
    "owners of files",
    off="Files that a page has made for one user would be given to others.",
    names=(
        "streamlit.runtime.runtime:Runtime.media_file_mgr",
        f"{_FILES}.add",
        f"{_FILES}.execute_deferred",
        f"{_FILES}._deferred_callables",
    ),
    used=(When.LOGIN,),
    required=(When.LOGIN,),
)

STORED_FILES = Feature(
    "the list of stored files",
    off="The owners of files that Streamlit has dropped are remembered until the worker ends, some 100 bytes each.",
    names=("streamlit.runtime.runtime:Runtime.media_file_mgr", f"{_FILES}._file_metadata"),
    used=(When.LOGIN,),
)


def report_media(runtime: Runtime, report: Callable[[str, str], None]) -> None:
    """Report the URL and the session of every file that a run offers.

    Required with a login, so this is never off.
    """
    manager: Any = runtime.media_file_mgr
    add, execute = manager.add, manager.execute_deferred

    def add_file(*args: Any, **kwargs: Any) -> str:
        url: str = add(*args, **kwargs)
        report(url, current_session() or "")
        return url

    def execute_deferred(file_id: str) -> str:
        asked = manager._deferred_callables.get(file_id)
        url: str = execute(file_id)
        if asked is not None:
            report(url, asked["session_id"])
        return url

    manager.add = add_file
    manager.execute_deferred = execute_deferred


def stored_files(runtime: Runtime) -> frozenset[str] | None:
    """The ids of the files that Streamlit keeps now, `None` while that is off."""
    return STORED_FILES.attempt(lambda: frozenset(runtime.media_file_mgr._file_metadata), None)
