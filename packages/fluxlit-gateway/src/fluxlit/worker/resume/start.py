"""Whether sessions are copied in this process, and if not, why not."""

from __future__ import annotations

import logging
from functools import partial

from fluxlit import sessions
from fluxlit.errors import FluxLitError
from fluxlit.settings import Settings
from fluxlit.streamlit.session_restore import RESTORE
from fluxlit.worker.resume.copying import Copying

logger = logging.getLogger("fluxlit.ui")

Resumption = Copying | None


def wanted(settings: Settings) -> bool:
    """Whether the settings ask for copies of sessions."""
    return settings.restore_sessions and sessions.is_shared(settings.session_store)


def set_up(settings: Settings) -> Resumption:
    """What copies and restores sessions, `None` where that is off."""
    if not (wanted(settings) and RESTORE.on):
        return None
    try:
        base = settings.root_path if settings.restore_on_reload else None
        return Copying(partial(sessions.session_copies, settings), base)
    except FluxLitError as error:
        logger.warning("Sessions of pages do not come back on another worker: %s", error)
    return None
