"""A visitor's browser tab: the id in its URL, its user, and its state.

All uses of Streamlit by the binding are here, and all of them are public. Streamlit
itself is never imported: the page passes its `st`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final
from urllib.parse import quote

from fluxlit_sessions.core import MAX_SUBJECT
from fluxlit_sessions.session import Session

STATE_KEY = "_fluxlit_session:"
"""Prefix of the key in ``st.session_state`` with the state of the tab; the query parameter follows."""


class SignedIn(Enum):
    """The type of `SIGNED_IN`."""

    SIGNED_IN = "signed in"


SIGNED_IN: Final = SignedIn.SIGNED_IN
"""The user that Streamlit knows (``st.user``), if there is one."""


@dataclass(slots=True)
class TabState:
    """State of one tab between two runs, kept in ``st.session_state``.

    Attributes:
        session: as last read or written. `data` is compared with its data, which is never changed.
        unborn: id of a first save with a missing response, which may have happened.
        data: the session's data in this tab; differences from `session` are unsaved.
        user: the user that Streamlit knows, once determined.
        rights: mark of this user's roles, empty without any.
        restored: keys of ``st.session_state`` that last agreed with `data`.
        widgets: keys that belong to widgets.
        unfit: keys with values that cannot be stored, and their types.
        notices: notices for the user, with the time when each was first shown (monotonic seconds, 0 for not yet).
        ended: the session has ended, and its keys may still be in ``st.session_state``.
        doubt: a save with a missing response may have happened.
        forgotten: keys are to be saved, and the page has not entered the ``with`` block.
        revision: grows with each change of `data` from outside the page's code.
    """

    session: Session | None = None
    unborn: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    user: str | SignedIn | None = SIGNED_IN
    rights: str = ""
    restored: set[str] = field(default_factory=set)
    widgets: set[str] = field(default_factory=set)
    unfit: dict[str, str] = field(default_factory=dict)
    notices: dict[str, float] = field(default_factory=dict)
    ended: bool = False
    doubt: bool = False
    forgotten: bool = False
    revision: int = 0

    def notice(self, text: str) -> None:
        """Queues a notice for the user."""
        self.notices[text] = 0.0

    def __repr__(self) -> str:
        return f"<TabState of {self.session.handle if self.session else 'no session'}>"


class Visitor:
    """A browser tab and its user.

    Args:
        st: the module `streamlit`.
        param: query parameter that holds the session id.
        user: the user, `None` for an anonymous visitor, `SIGNED_IN` for the user that Streamlit knows.

    Attributes:
        user: owner of the sessions that this tab may open, `None` for anonymous ones.
        rights: mark of this user's roles, empty without any; `None` for a user that the page has named.
    """

    def __init__(self, st: Any, param: str, user: str | SignedIn | None) -> None:
        self.st = st
        self._param = param
        self.tab = _tab_state(st.session_state, f"{STATE_KEY}{param}")
        if user is SIGNED_IN and self.tab.user is SIGNED_IN:
            # Once for a tab: Streamlit looks for its secrets files each time, and never changes a tab's user.
            facts = _signed_in(st)
            self.tab.user, self.tab.rights = _named(facts), _rights(facts)
        self.user = _subject(self.tab.user if user is SIGNED_IN else user)
        self.rights = self.tab.rights if user is SIGNED_IN else None

    @property
    def id_in_url(self) -> str | None:
        """The id in the URL; nothing is assumed about it."""
        return self.st.query_params.get(self._param) or None

    def show_id(self, session_id: str) -> None:
        """Puts an id into the URL, unless it is there."""
        if self.st.query_params.get(self._param) != session_id:
            self.st.query_params[self._param] = session_id

    def hide_id(self) -> None:
        """Removes the id from the URL."""
        if self._param in self.st.query_params:
            del self.st.query_params[self._param]

    def href(self, url: str, session_id: str | None) -> str:
        """Returns a URL of this application with the id in its query."""
        if session_id is None:
            return url
        address, mark, fragment = url.partition("#")
        return f"{address}{'&' if '?' in address else '?'}{quote(self._param)}={session_id}{mark}{fragment}"


def _tab_state(state: Any, key: str) -> TabState:
    found = state.get(key)
    if isinstance(found, TabState):
        return found
    tab = state[key] = TabState()
    return tab


def _signed_in(st: Any) -> Mapping[str, Any]:
    user: Any = getattr(st, "user", None)
    return {} if user is None else user.to_dict()


def _rights(facts: Mapping[str, Any]) -> str:
    roles = facts.get("roles")
    return hashlib.sha256(json.dumps(roles, default=str).encode()).hexdigest()[:16] if roles else ""


def _named(facts: Mapping[str, Any]) -> str | None:
    if facts.get("sub"):
        # OpenID Connect Core section 5.7: only issuer and subject together name one person for ever.
        return f"{facts['iss']}|{facts['sub']}" if facts.get("iss") else str(facts["sub"])
    return str(facts["email"]) if facts.get("email") else None


def subject_of(facts: Mapping[str, Any]) -> str | None:
    """Returns the subject of a user with these claims, `None` if anonymous."""
    return _subject(_named(facts))


def _subject(user: str | SignedIn | None) -> str | None:
    """Returns a name that a store accepts."""
    if not user or isinstance(user, SignedIn):
        return None
    return user if len(user.encode()) <= MAX_SUBJECT else "sha256:" + hashlib.sha256(user.encode()).hexdigest()
