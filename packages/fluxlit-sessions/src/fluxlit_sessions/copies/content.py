"""The content of a copy, as a string.

Values that the codec refuses are left out, and the largest values if a copy exceeds the limit of the store. The log
names each such key once in a process. The copy names it too, so that the process that continues the session knows what
is missing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from fluxlit_sessions.codec import Codec
from fluxlit_sessions.errors import SessionDataError, SessionTooLarge

logger = logging.getLogger("fluxlit_sessions")

STATE = "state"
"""The group of the application's own values; all others must be storable."""

LOST = "lost"
"""Name of a value that is not in the copy -> why."""


class Packer:
    """Converts content to a string and back.

    It remembers the keys with values that cannot be stored, for all sessions of a process.
    """

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._unfit: dict[str, type] = {}
        self._named: set[str] = set()

    def pack(self, state: Mapping[str, Any], rest: Mapping[str, Any], lost: Mapping[str, str]) -> str:
        """Returns the content as a string.

        Args:
            state: the application's values; those that cannot be stored are left out and named.
            rest: more groups, all of which can be stored.
            lost: what the caller has left out already.
        """
        fit, missing = dict(state), dict(lost)
        for key in self._unfit.keys() & fit.keys():
            if type(fit[key]) is self._unfit[key]:
                missing[key] = _kind(fit.pop(key))
        while True:
            try:
                return self._codec.encode({**rest, STATE: fit, LOST: missing}).decode()
            except (SessionDataError, RuntimeError) as error:  # a dict that another thread changes raises the latter
                for key in self._refused(fit, error):
                    missing[key] = _kind(fit.pop(key))

    def unpack(self, text: str) -> dict[str, Any]:
        """Returns the groups of a copy, `state` and `lost` among them.

        Raises:
            SessionDataError: it cannot be read.
        """
        return self._codec.decode(text.encode())

    def shrink(self, text: str, error: SessionTooLarge) -> str | None:
        """Returns the copy without its largest values, `None` if it has none."""
        plain = json.loads(text)
        state = plain[STATE]
        sizes = sorted(((len(json.dumps(value)), key) for key, value in state.items()), reverse=True)
        excess = error.size - error.limit + 256
        dropped = []
        for size, key in sizes:
            if excess <= 0:
                break
            excess -= size
            dropped.append(key)
            del state[key]
            plain[LOST][key] = f"too large: {size} bytes"
            self._name(key, f"it takes {size} bytes, and {error.limit} are allowed for the whole session")
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")) if dropped else None

    def _refused(self, state: dict[str, Any], problem: Exception) -> list[str]:
        refused = []
        for key, value in list(state.items()):
            try:
                self._codec.encode({key: value})
            except SessionDataError as error:
                self._unfit[key] = type(value)
                self._name(key, str(error))
                refused.append(key)
        if not refused and isinstance(problem, SessionDataError):
            raise problem
        return refused

    def _name(self, key: str, reason: str) -> None:
        if key not in self._named:
            self._named.add(key)
            logger.warning(
                "st.session_state[%r] is not in the copy of the session, so it will be missing if this process dies: "
                "%s. Further sessions are not reported.",
                key,
                reason,
            )


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
