"""`url_session`: the session of a page, found by the id in its URL."""

from __future__ import annotations

import os
from typing import Any, overload

from fluxlit_sessions.binding import Binding
from fluxlit_sessions.merge import Resolve
from fluxlit_sessions.model_session import M, Migrate, ModelSession, Schema
from fluxlit_sessions.page import Outage, UrlSession
from fluxlit_sessions.persisted_state import Choice
from fluxlit_sessions.store import SessionStore
from fluxlit_sessions.visitor import SIGNED_IN, SignedIn, Visitor

PARAM_VARIABLE = "FLUXLIT_URL_SESSION_QUERY_PARAM"
PARAM = "fluxlit_sid"


@overload
def url_session(
    st: Any,
    store: SessionStore,
    *,
    persist: Choice = (),
    user: str | SignedIn | None = SIGNED_IN,
    param: str | None = None,
    conflict: Resolve | None = None,
    claim: bool = True,
    outage: Outage = "banner",
) -> UrlSession: ...


@overload
def url_session(
    st: Any,
    store: SessionStore,
    *,
    model: type[M],
    model_version: int = 1,
    migrate: Migrate | None = None,
    persist: Choice = (),
    user: str | SignedIn | None = SIGNED_IN,
    param: str | None = None,
    conflict: Resolve | None = None,
    claim: bool = True,
    outage: Outage = "banner",
) -> ModelSession[M]: ...


def url_session(
    st: Any,
    store: SessionStore,
    *,
    model: type[M] | None = None,
    model_version: int = 1,
    migrate: Migrate | None = None,
    persist: Choice = (),
    user: str | SignedIn | None = SIGNED_IN,
    param: str | None = None,
    conflict: Resolve | None = None,
    claim: bool = True,
    outage: Outage = "banner",
) -> UrlSession | ModelSession[M]:
    """Returns the session of the page's visitor, found by the id in the URL.

    The first write creates the session and puts its id into the URL. An id that the store does not know, or that
    belongs to another user, is never used. Call it once in each run, in a ``with`` statement::

        with url_session(st, store, persist=["cart"]) as session:
            ...

    Args:
        st: the module `streamlit`.
        store: where sessions are; keep one for the process (`st.cache_resource`).
        model: a Pydantic model with defaults for all fields, in place of the mapping.
        model_version: version of the model; raise it when older data does not fit any more.
        migrate: converts data of an older version to this one.
        persist: keys of ``st.session_state`` to save, or a function from a key to whether it is saved. They are
            restored here and saved at the end of ``with``, also when the page ends by `st.rerun`, `st.stop` or an
            exception. Keys of widgets and values that cannot be stored are left out; the log names them.
        user: owner of the session. By default the user that Streamlit knows (`st.user`), if there is one.
        param: query parameter that holds the id. By default ``FLUXLIT_URL_SESSION_QUERY_PARAM``, else ``fluxlit_sid``.
        conflict: resolves a conflict of two tabs: (key, before, ours, theirs) -> value. Without it the other tab's
            value is kept, and the conflict is reported: by `SessionKeyConflict` from a call that can raise it, else
            on the page.
        claim: a user who signs in with an anonymous session takes it over, under a new id.
        outage: behaviour while the store cannot be reached. ``banner``: the page shows a banner; a tab that knows its
            session continues and saves later, any other stops there. ``raise``: `SessionStoreUnavailable`.

    Raises:
        SessionDataError, SessionSealError: the stored data cannot be read.
        SessionStoreUnavailable: only with ``outage="raise"``.
    """
    visitor = Visitor(st, param or os.environ.get(PARAM_VARIABLE) or PARAM, user)
    bound = (Binding(store, visitor, conflict, claim=claim), visitor, persist, outage)
    return UrlSession(*bound) if model is None else ModelSession(Schema(model, model_version, migrate), *bound)
