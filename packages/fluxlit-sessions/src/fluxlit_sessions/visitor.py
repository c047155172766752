"""One visitor's tab as Streamlit shows it: the id in its URL, its user, and what is remembered between two runs.

Everything that the binding knows of Streamlit is here, and all of it is public. Streamlit
itself is never imported: the page hands over its `st`.
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
"""Start of the key in ``st.session_state`` that holds the memory; the name of the query parameter follows."""


class SignedIn(Enum):
    """The type of `SIGNED_IN`."""

    SIGNED_IN = "signed in"


SIGNED_IN: Final = SignedIn.SIGNED_IN
"""The user that Streamlit knows (``st.user``), if there is one."""


@dataclass(slots=True)
class TabState:
    """What one tab remembers between two runs. It lives in ``st.session_state`` and ends with the tab.

    Attributes:
        session: as the store last said; its data is what `data` is compared with, and never changed.
        unborn: the id under which the first save may have happened, although its answer never came.
        data: the state of this tab; what differs from the session has not been saved yet.
        user: who Streamlit says that this is, once it was asked.
        rights: mark of this user's roles, empty without any.
        restored: keys of ``st.session_state`` that were in step with `data` when last looked at.
        widgets: keys that turned out to belong to widgets.
        unfit: keys whose values cannot be stored, with their types.
        notices: what the next run must tell the person, with when it was told first (monotonic seconds, 0 for not yet).
        ended: the session has ended, and keys that came out of it may still be in ``st.session_state``.
        doubt: a save may have happened although its answer never came.
        forgotten: keys are to be kept, and nobody has entered the ``with`` block that would save them.
        revision: grows whenever `data` was replaced from outside of the page's own code.
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
        """Has the next run tell the person something."""
        self.notices[text] = 0.0

    def __repr__(self) -> str:
        return f"<TabState of {self.session.handle if self.session else 'no session'}>"


class Visitor:
    """A tab.

    Args:
        st: the module `streamlit`.
        param: query parameter that holds the session id.
        user: the user, `None` for nobody, `SIGNED_IN` for the one that Streamlit knows.

    Attributes:
        user: whose sessions this tab may open, `None` for nobody's.
        rights: mark of this user's roles, empty without any; `None` for a user whom the page has named.
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
        """What the URL says; it may be anything."""
        return self.st.query_params.get(self._param) or None

    def show_id(self, session_id: str) -> None:
        """Puts an id into the URL, unless it is there."""
        if self.st.query_params.get(self._param) != session_id:
            self.st.query_params[self._param] = session_id

    def hide_id(self) -> None:
        """Takes the id out of the URL."""
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
    """Returns the subject under which a store keeps sessions of the user with these facts, `None` for nobody."""
    return _subject(_named(facts))


def _subject(user: str | SignedIn | None) -> str | None:
    """Returns a name that a store accepts."""
    if not user or isinstance(user, SignedIn):
        return None
    return user if len(user.encode()) <= MAX_SUBJECT else "sha256:" + hashlib.sha256(user.encode()).hexdigest()
