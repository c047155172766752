"""Keys of ``st.session_state`` that are saved with the session.

A value is in three places: ``st.session_state`` of this tab, the data of the binding, and the store. `capture` copies
from the first to the second, before the run (a callback may have changed something) and after it. `restore` copies what
other tabs saved from the second to the first. The binding does the rest.

Once a run is to stop, Streamlit raises at every access to ``st.session_state``, and once for a click in the meantime.
Only `to_dict` never does. The exception is kept in `interruption` until all is saved.

Keys of widgets are not saved (Streamlit has its own rules for them, and a stored value would replace the user's latest
choice), nor are values that the store cannot encode. The log names each once.
"""

from __future__ import annotations

import ast
import copy
import logging
import re
from collections.abc import Callable, Collection
from typing import Any

from fluxlit_sessions.errors import SessionDataError
from fluxlit_sessions.merge import same
from fluxlit_sessions.visitor import TabState

logger = logging.getLogger("fluxlit_sessions")

Choice = Collection[str] | Callable[[str], bool]
"""Names of keys, or a function from a name to whether it is chosen."""

MARK = "$state:"
"""Prefix of keys in the data of a session with values of ``st.session_state``."""

OWN = ("_fluxlit", "fluxlit_page")
_NAMED = re.compile(r"""data\[('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\]""")


class PersistedState:
    """The chosen keys of one tab.

    Args:
        state: ``st.session_state``.
        tab: state of the tab.
        choice: which keys.

    Attributes:
        interruption: exception with which Streamlit wanted to end the run.
    """

    def __init__(self, state: Any, tab: TabState, choice: Choice) -> None:
        self._state = state
        self._tab = tab
        self._choice = choice
        self.interruption: BaseException | None = None

    @property
    def wanted(self) -> bool:
        """Whether any keys are, or may be, chosen."""
        return callable(self._choice) or bool(self._choice)

    def capture(self) -> None:
        """Copies the chosen keys into the data of the binding."""
        data, state = self._tab.data, self._state.to_dict()
        present = [key for key in state if not key.startswith(OWN) and self._chosen(key)]
        for key in present:
            if self._is_fit(key, state[key]):
                data[MARK + key] = state[key]
                self._tab.unfit.pop(key, None)
        for key in self._in_data():
            if key not in state and key in self._tab.restored:
                del data[MARK + key]
        self._tab.restored |= set(present)

    def restore(self) -> None:
        """Copies the data of the binding to the chosen keys."""
        known, state = set(self._in_data()), self._state.to_dict()
        for key in known:
            value = self._tab.data[MARK + key]
            if key not in state or not (key in self._tab.unfit or same(state[key], value)):
                self._state[key] = value
        for key in self._tab.restored - known - self._tab.widgets - self._tab.unfit.keys():
            if key in state:
                del self._state[key]
        self._tab.restored = known
        self._tab.ended = False

    def drop(self, error: SessionDataError) -> bool:
        """Leaves out the key with the refused value; returns whether there is one."""
        found = _NAMED.match(error.path)
        name = ast.literal_eval(found[1]) if found else ""
        if not name.startswith(MARK) or name not in self._tab.data:
            return False
        key = name.removeprefix(MARK)
        self._tab.unfit[key] = _type_of(self._tab.data.pop(name))
        if self._tab.session is not None and name in self._tab.session.data:
            self._tab.data[name] = copy.deepcopy(self._tab.session.data[name])
        logger.warning("st.session_state[%r] is not kept: %s", key, error)
        return True

    def _chosen(self, key: str) -> bool:
        return self._choice(key) if callable(self._choice) else key in self._choice

    def _in_data(self) -> list[str]:
        names = [key.removeprefix(MARK) for key in self._tab.data if key.startswith(MARK)]
        return [name for name in names if self._chosen(name)]

    def _is_fit(self, key: str, value: Any) -> bool:
        if key in self._tab.widgets or self._tab.unfit.get(key) == _type_of(value):
            return False
        if MARK + key in self._tab.data and same(self._tab.data[MARK + key], value):
            return True
        if not self._is_widget(key, value):
            return True
        self._tab.widgets.add(key)
        self._tab.data.pop(MARK + key, None)
        logger.warning(
            "st.session_state[%r] is not kept: it belongs to a widget. Copy its value to a key of your own, and "
            "pass that to the widget as its value.",
            key,
        )
        return False

    def _is_widget(self, key: str, value: Any) -> bool:
        """Returns whether Streamlit refuses to set a key, as it does for widgets."""
        if self.interruption is not None:
            return False
        try:
            self._state[key] = value
        except Exception:  # noqa: BLE001 - Streamlit's own class must not be imported here
            return True
        except BaseException as interruption:  # noqa: BLE001 - raised again when all is saved
            self.interruption = interruption
        return False


def _type_of(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
