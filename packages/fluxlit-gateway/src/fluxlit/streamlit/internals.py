# ruff: noqa: PLC0415, SLF001
"""All of Streamlit that FluxLit touches although it is not public, in one place.

Each function says what for. `tests/gateway/streamlit/test_internals.py` fails when a new Streamlit moves one of them.
Importing this module does not import Streamlit: in the `workers` placement the gateway's process never does.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import Distribution

    from streamlit.runtime import Runtime


def import_streamlit() -> None:
    """Import what a worker needs in any case: it takes longest, and needs no knowledge of the application."""
    import streamlit.starlette
    import streamlit.web.bootstrap
    import streamlit.web.server.starlette.starlette_app  # noqa: F401


def set_anchor(path: str) -> None:
    """Say which file's folder is the application's, before configuration is read: ``streamlit run`` sets the same."""
    from streamlit import config

    config._main_script_path = path


def option_templates() -> Mapping[str, Any]:
    """Every option of this Streamlit by key, with its type, default and environment variable."""
    from streamlit import config

    return config._config_options_template


def load_options(options: Mapping[str, Any]) -> None:
    """Read ``config.toml`` and lay `options` over it, without the warning that a server would need a restart."""
    from streamlit import config
    from streamlit.web import bootstrap

    config._config_options = None
    bootstrap.load_config_options(dict(options))


def never_look_up_external_address() -> None:
    """Set the remembered answer of a blocking request to the internet. It is an address that is allowed anyway."""
    from streamlit import net_util

    net_util._external_ip = "127.0.0.1"


def static_routes(anchor: str, base: str) -> list[Any]:
    """Routes for the folder `static` beside `anchor`; by itself Streamlit looks beside the main script."""
    from streamlit.web.server.starlette import starlette_routes

    return list(starlette_routes.create_app_static_serving_routes(anchor, base))


def largest_message() -> int:
    """Bytes of the largest message that Streamlit sends, ``server.maxMessageSize``."""
    from streamlit.runtime.runtime_util import get_max_message_size_bytes

    return get_max_message_size_bytes()


def collects_after_runs() -> bool:
    """Whether the user wants Streamlit's own garbage collection after every run."""
    from streamlit import config

    return bool(config.get_option("runner.postScriptGC"))


def rerun_sessions(runtime: Runtime) -> int:
    """Ask every open page to run again, with its session state. To be called on Streamlit's event loop.

    Returns:
        The number of sessions.
    """
    runtime._script_cache.clear()
    sessions = runtime._session_mgr.list_active_sessions()
    for info in sessions:
        info.session.request_rerun(info.session._client_state)
    return len(sessions)


def report_sessions(runtime: Runtime, report: Callable[[str, str], None]) -> None:
    """Call `report` with ``opened``, ``left`` or ``closed`` and the session id, on Streamlit's event loop.

    A session is opened again when its browser comes back. It may be forgotten after its browser has left without
    any report. Streamlit has no public hook; its session manager is asked by the runtime alone, so its methods are
    wrapped in place.
    """
    manager: Any = runtime._session_mgr
    connect, disconnect, close = manager.connect_session, manager.disconnect_session, manager.close_session

    def connect_session(*args: Any, **kwargs: Any) -> str:
        session: str = connect(*args, **kwargs)
        report("opened", session)
        return session

    def disconnect_session(session_id: str) -> None:
        disconnect(session_id)
        report("left", session_id)

    def close_session(session_id: str) -> None:
        close(session_id)
        report("closed", session_id)

    manager.connect_session = connect_session
    manager.disconnect_session = disconnect_session
    manager.close_session = close_session


def identify_sessions(
    runtime: Runtime, facts: Callable[[], Mapping[str, Any]], arrived: Callable[[str, Any], None]
) -> None:
    """Say who a session's user is.

    Args:
        runtime: Streamlit's.
        facts: called in the task of a WebSocket's handshake; what `st.user` is to say beside Streamlit's own.
        arrived: called in the same task with the session's id and Streamlit's object for it.
    """
    manager: Any = runtime._session_mgr
    connect: Any = runtime.connect_session

    def connect_session(client: Any, user_info: Mapping[str, Any], *args: Any, **options: Any) -> str:
        session_id: str = connect(client, {**user_info, **facts()}, *args, **options)
        arrived(session_id, manager.get_active_session_info(session_id).session)
        return session_id

    changed: Any = runtime
    changed.connect_session = connect_session


def handshake(name: str) -> list[str]:
    """The values of a field in the handshake of the session whose script runs in this thread."""
    if current_session() is None:
        return []
    import streamlit as st

    return list(st.context.headers.get_all(name))


def current_session() -> str | None:
    """The id of the session whose script runs in this thread; `None` outside a run.

    Nothing is imported: the log asks too, perhaps while another thread imports Streamlit and wants to log.
    """
    module = sys.modules.get("streamlit.runtime.scriptrunner_utils.script_run_context")
    ask: Callable[..., Any] | None = getattr(module, "get_script_run_ctx", None)
    context = ask(suppress_warning=True) if ask is not None else None
    return context.session_id if context is not None else None


def is_asked_for(page: Any) -> bool:
    """Whether the browser asks for this `st.Page` in the current run."""
    from streamlit.runtime.scriptrunner_utils.script_run_context import get_script_run_ctx

    context = get_script_run_ctx(suppress_warning=True)
    if context is None:
        return True
    asked = context.pages_manager.intended_page_script_hash
    if asked:
        return bool(page._script_hash == asked)
    return bool(page.url_path == (context.pages_manager.intended_page_name or ""))


def report_media(runtime: Runtime, report: Callable[[str, str], None]) -> None:
    """Call `report` with the URL of every file that a run shows or offers, and with the id of its session."""
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


def media_files(runtime: Runtime) -> frozenset[str]:
    """The ids of the files that Streamlit keeps now."""
    return frozenset(runtime.media_file_mgr._file_metadata)


def running_scripts(runtime: Runtime) -> int:
    """How many sessions run a script now."""
    sessions = runtime._session_mgr.list_active_sessions()
    return sum(info.session._state.value == "APP_IS_RUNNING" for info in sessions)


def surround_runs(around: Callable[[], AbstractContextManager[None]]) -> Callable[[], None]:
    """Enter what `around` returns for each run of a script, in the thread of the run.

    Returns:
        What ends that.
    """
    from streamlit.runtime.scriptrunner.script_runner import ScriptRunner

    runner: Any = ScriptRunner
    run_script = runner._run_script

    def surrounded(self: Any, *args: Any, **kwargs: Any) -> None:
        with around():
            run_script(self, *args, **kwargs)

    runner._run_script = surrounded
    return lambda: setattr(runner, "_run_script", run_script)


def look_for_components_quickly() -> None:
    """Let Streamlit read less when it looks for components in all installed distributions, at the start of its Runtime.

    It parses the metadata of each to see whether its name, its summary or a requirement speaks of Streamlit, or whether
    its name begins like those of components do. That takes most of a millisecond each; a look at the text, which says
    no for almost all of them, a twentieth. A Streamlit that looks in another way goes on looking as it does.
    """
    try:
        from streamlit.components.v2 import manifest_scanner

        scanner: Any = manifest_scanner
        is_likely = scanner._is_likely_streamlit_component_package
    except (ImportError, AttributeError):
        return
    name = re.compile(r"^name:\s*st[-_]", re.IGNORECASE | re.MULTILINE)

    def may_have_components(distribution: Distribution) -> bool:
        text = distribution.read_text("METADATA")
        if text is not None and "streamlit" not in text.lower() and not name.search(text):
            return False
        return bool(is_likely(distribution))

    scanner._is_likely_streamlit_component_package = may_have_components


def release_runtime() -> None:
    """Forget the stopped Runtime of this process. Streamlit never does, and a second start would fail."""
    from streamlit.runtime import Runtime

    Runtime._instance = None


def route_logs() -> None:
    """Let Streamlit's loggers, and those of others that it took over, hand their records to the root logger.

    Streamlit gives every logger a handler of its own and stops propagation, for ``uvicorn`` too.
    """
    from streamlit import logger as streamlit_logger

    def route(logger: logging.Logger) -> None:
        handler = getattr(logger, "streamlit_console_handler", None)
        if handler is not None:
            logger.removeHandler(handler)
        logger.propagate = True

    streamlit_logger.setup_formatter = route
    for logger in streamlit_logger._loggers.values():
        route(logger)
