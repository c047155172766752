"""Messages of browsers: of the developer menu, and for many uploads."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

from fluxlit.streamlit import message_limits
from fluxlit.streamlit.message_limits import FILES, LINES, WINDOW_S, limit_messages


class Session(AppSession):
    """A session that has no runtime."""

    def __init__(self) -> None:
        """Begin nothing."""

    def __del__(self) -> None:
        """End nothing."""


class Scene:
    """A runtime with one session that notes what it is asked for."""

    def __init__(self) -> None:
        self.session = SimpleNamespace()
        self._uploaded_file_mgr = MemoryUploadedFileManager("/_stcore/upload_file")
        self._session_mgr = SimpleNamespace(get_session_info={"mine": SimpleNamespace(session=self.session)}.get)

    def addresses(self, names: int, session: str = "mine") -> int:
        return len(self._uploaded_file_mgr.get_upload_urls(session, [""] * names))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    for name in message_limits.DEVELOPER:
        monkeypatch.setattr(AppSession, name, lambda *_, name=name: seen.append(name))
    return seen


DEVELOPER = [BackMsg(load_git_info=True), BackMsg(clear_cache=True), BackMsg(set_run_on_save=True)]


@pytest.mark.parametrize(("development", "seen"), [(True, list(message_limits.DEVELOPER)), (False, [])])
def test_messages_of_the_developer_menu_are_taken_where_it_is_shown(
    asked: list[str], development: bool, seen: list[str]
) -> None:
    runtime: Any = Scene()
    session = Session()
    undo = limit_messages(runtime, development=development)
    for each in DEVELOPER:
        session.handle_backmsg(each)
    assert asked == seen
    undo()
    asked.clear()
    for each in DEVELOPER:
        session.handle_backmsg(each)
    assert asked == list(message_limits.DEVELOPER)


def test_messages_that_are_not_understood_do_not_fill_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """258 kB of them were four megabytes of log."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(message_limits, "time", SimpleNamespace(monotonic=lambda: clock.now))
    logged: list[str] = []

    def note(record: logging.LogRecord) -> bool:
        logged.append(record.getMessage())
        return False

    logger = logging.getLogger(AppSession.__module__)
    runtime: Any = Scene()
    undo = limit_messages(runtime, development=False)
    logger.addFilter(note)  # after that of the limits
    try:
        for clock.now in (0.0, WINDOW_S):
            for _ in range(1000):
                Session().handle_backmsg(BackMsg())
            logger.warning("another")
        assert logged == (['No handler for "None"'] * LINES + ["another"]) * 2
        undo()
        logged.clear()
        for _ in range(1000):
            Session().handle_backmsg(BackMsg())
        assert len(logged) == 1000
    finally:
        logger.removeFilter(note)


def test_a_session_gets_a_limited_number_of_addresses_for_uploads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs a thousand times as much as the two bytes for it.

    ASVS 5.0, 15.2.2.
    """
    runtime: Any = Scene()
    clock = iter([0.0, 1.0, 2.0, WINDOW_S])
    monkeypatch.setattr(message_limits, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    limit_messages(runtime, development=False)()
    assert [runtime.addresses(names) for names in (3, 1_000_000, 1, 5)] == [3, FILES - 3, 0, 5]
    assert runtime.addresses(5, session="unknown") == 0
