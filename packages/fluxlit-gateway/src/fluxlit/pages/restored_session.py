"""Whether the session was restored from a copy, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

KEY = "_fluxlit_restored"
ASKS = "_fluxlit_asks_restored"
"""In the state of a session with a page that calls `restored_session`: it can do with a part of its values."""


@dataclass(frozen=True, slots=True)
class RestoredSession:
    """How a session came back.

    Attributes:
        lost: name -> why it is missing: keys of ``st.session_state``, and those of widgets that lost their uploads.
        saved_at: when the copy was written, aware, UTC.
    """

    lost: Mapping[str, str]
    saved_at: datetime

    def dismiss(self) -> None:
        """Have `restored_session` say nothing of this any more."""
        import streamlit as st  # noqa: PLC0415

        st.session_state.pop(KEY, None)


def restored_session() -> RestoredSession | None:
    """How the session of this page came back, `None` if it did not have to.

    A session comes back when its worker or its replica was gone and another one went on with it. Call this in a page
    that can do with a part of its values: without it, a session with values that could not be copied begins anew. The
    result is the same in every run until `RestoredSession.dismiss`.
    """
    import streamlit as st  # noqa: PLC0415

    st.session_state[ASKS] = True
    found: RestoredSession | None = st.session_state.get(KEY)
    return found


def restored_note(lost: Mapping[str, str], saved_at: datetime) -> dict[str, RestoredSession]:
    """The entry in the session state that `restored_session` finds."""
    return {KEY: RestoredSession(dict(lost), saved_at)}
