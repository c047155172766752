"""Whether sessions are copied in this process, and if not, why not."""

from __future__ import annotations

import logging
from functools import partial

from fluxlit import sessions
from fluxlit.errors import FluxLitError
from fluxlit.settings import Settings
from fluxlit.streamlit import sessions as session_internals
from fluxlit.worker.resume.copying import Copying

logger = logging.getLogger("fluxlit.ui")

Resumption = Copying | None


def set_up(settings: Settings) -> Resumption:
    """What copies and restores sessions, `None` where that is off. Streamlit must have been imported."""
    if not (settings.restore_sessions and sessions.is_shared(settings.session_store)):
        return None
    lack = session_internals.missing()
    if lack is None:
        try:
            base = settings.root_path if settings.restore_on_reload else None
            return Copying(partial(sessions.session_copies, settings), base)
        except FluxLitError as error:
            logger.warning("Sessions of pages do not come back on another worker: %s", error)
    else:
        logger.warning(
            "Sessions of pages do not come back on another worker: this release of Streamlit has changed what that "
            "needs (%s). Everything else works. Use another release of Streamlit or of FluxLit, or set "
            "restore_sessions to false.",
            lack,
        )
    return None
