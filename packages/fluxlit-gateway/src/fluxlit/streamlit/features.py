"""All features that rest on names of Streamlit that are not public."""

from __future__ import annotations

from collections.abc import Collection

from fluxlit.streamlit import (
    application,
    feature,
    live_sessions,
    log_routing,
    media,
    message_limits,
    messages,
    options,
    script_run,
    session_restore,
    themes,
    tracebacks,
    uploads,
)
from fluxlit.streamlit.feature import Feature, When

FEATURES: tuple[Feature, ...] = (
    application.APPLICATION,
    options.OPTIONS,
    live_sessions.IDENTITY,
    media.MEDIA_OWNERS,
    script_run.RUN_SESSION,
    application.STATIC_FILES,
    application.SERVER,
    application.SECOND_START,
    options.PROJECT_FOLDER,
    options.FRESH_OPTIONS,
    options.EXTERNAL_ADDRESS,
    log_routing.LOG_ROUTING,
    live_sessions.SESSION_REPORTS,
    live_sessions.DRAIN,
    live_sessions.RERUN,
    media.STORED_FILES,
    script_run.REQUESTED_PAGE,
    script_run.MEASURED_RUNS,
    script_run.SCRIPT_PAGES,
    script_run.PAGE_HASH,
    themes.THEMES,
    messages.FLUSHES,
    tracebacks.TRACEBACKS,
    tracebacks.WITHOUT_DETAILS,
    uploads.UPLOADS,
    message_limits.MESSAGES,
    session_restore.RESTORE,
    session_restore.LOGOUT,
)


def check_streamlit(*, login: bool, development: bool, embedded: bool, restore: bool) -> None:
    """Probe the features that are in use, and log what is off.

    Imports Streamlit.

    Args:
        login: the application has a login.
        development: this is ``fluxlit dev``.
        embedded: Streamlit runs in the gateway's process.
        restore: sessions are copied into a store that others share.

    Raises:
        WorkerError: this Streamlit cannot be used.
    """
    situations: Collection[When] = [
        When.ALWAYS,
        *([When.LOGIN] if login else []),
        *([When.DEVELOPMENT] if development else []),
        *([When.EMBEDDED] if embedded else []),
        *([When.RESTORE] if restore else []),
    ]
    feature.report(FEATURES, situations)
