# ruff: noqa: PLC0415, SLF001
"""The run of a page: its session, its page, and what surrounds it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from fluxlit.streamlit.feature import Feature, When

_CONTEXT = "streamlit.runtime.scriptrunner_utils.script_run_context"

RUN_SESSION = Feature(
    "the session of a run",
    off="Log lines of pages, and what pages call at the API, carry no request id.",
    names=(f"{_CONTEXT}:get_script_run_ctx", f"{_CONTEXT}:ScriptRunContext.session_id"),
    required=(When.LOGIN,),
)

REQUESTED_PAGE = Feature(
    "the page that a browser asks for",
    off="A page that its user may not see is shown as not found instead of refused.",
    names=(
        f"{_CONTEXT}:get_script_run_ctx",
        f"{_CONTEXT}:ScriptRunContext.pages_manager",
        "streamlit.runtime.pages_manager:PagesManager.intended_page_script_hash",
        "streamlit.runtime.pages_manager:PagesManager.intended_page_name",
        "streamlit.navigation.page:Page._script_hash",
    ),
    used=(When.LOGIN,),
)

MEASURED_RUNS = Feature(
    "what surrounds a run",
    off="Runs of pages are in no metric and in no trace.",
    names=("streamlit.runtime.scriptrunner.script_runner:ScriptRunner._run_script",),
)

SCRIPT_PAGES = Feature(
    "the pages of a script",
    off="The log does not name pages of a script that the API hides.",
    names=(
        f"{_CONTEXT}:get_script_run_ctx",
        f"{_CONTEXT}:ScriptRunContext.pages_manager",
        "streamlit.runtime.pages_manager:PagesManager.get_pages",
    ),
)

PAGE_HASH = Feature(
    "the name of a page in a page test",
    off="Page tests can run the landing page only.",
    names=("streamlit.util:calc_hash",),
    used=(When.TESTS,),
)


def handshake(name: str) -> list[str]:
    """The values of a header in the handshake of this thread's session."""
    if current_session() is None:
        return []
    import streamlit as st

    return list(st.context.headers.get_all(name))


def handshake_headers(names: Iterable[str]) -> dict[str, str]:
    """Those of some headers that the handshake of this thread's session has."""
    if current_session() is None:
        return {}
    import streamlit as st

    headers = st.context.headers
    return {name: value for name in names if (value := headers.get(name))}


def current_session() -> str | None:
    """The id of the session that runs in this thread; `None` outside a run.

    Nothing is imported: the log asks too, perhaps while another thread imports Streamlit and wants to log.
    """
    module = sys.modules.get(_CONTEXT)
    ask: Callable[..., Any] | None = getattr(module, "get_script_run_ctx", None)
    context = ask(suppress_warning=True) if ask is not None else None
    return getattr(context, "session_id", None)


def is_requested(page: Any) -> bool:
    """Whether the browser requests this `st.Page`; no while that is off."""

    def look() -> bool:
        from streamlit.runtime.scriptrunner_utils.script_run_context import get_script_run_ctx

        context = get_script_run_ctx(suppress_warning=True)
        if context is None:
            return True
        asked = context.pages_manager.intended_page_script_hash
        if asked:
            return bool(page._script_hash == asked)
        return bool(page.url_path == (context.pages_manager.intended_page_name or ""))

    return REQUESTED_PAGE.attempt(look, otherwise=False)


def page_paths() -> frozenset[str]:
    """The URL paths of the pages that the run of this thread knows."""

    def look() -> frozenset[str]:
        from streamlit.runtime.scriptrunner_utils.script_run_context import get_script_run_ctx

        context = get_script_run_ctx(suppress_warning=True)
        pages: Any = {} if context is None else context.pages_manager.get_pages()
        return frozenset(f"/{page.get('url_pathname') or ''}" for page in pages.values())

    return SCRIPT_PAGES.attempt(look, frozenset())


def surround_runs(around: Callable[[], AbstractContextManager[None]]) -> Callable[[], None]:
    """Enter a context manager of `around` in the thread of each run.

    Returns:
        Ends that.
    """
    return MEASURED_RUNS.attempt(lambda: _surround(around), lambda: None)


def _surround(around: Callable[[], AbstractContextManager[None]]) -> Callable[[], None]:
    from streamlit.runtime.scriptrunner.script_runner import ScriptRunner

    runner: Any = ScriptRunner
    run_script = runner._run_script

    def surrounded(self: Any, *args: Any, **kwargs: Any) -> None:
        with around():
            run_script(self, *args, **kwargs)

    runner._run_script = surrounded
    return lambda: setattr(runner, "_run_script", run_script)


def page_hash(path: str) -> str | None:
    """Streamlit's name of a page, by URL path; `None` while that is off."""

    def compute() -> str:
        from streamlit.util import calc_hash

        return calc_hash(path)

    return PAGE_HASH.attempt(compute, None)
