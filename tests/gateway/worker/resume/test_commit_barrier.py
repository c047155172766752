"""What the end of a run waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from fluxlit.worker.resume import commit_barrier as barriers
from fluxlit.worker.resume.commit_barrier import CommitBarrier

pytestmark = pytest.mark.anyio


class Copy:
    """A copy that is saved when the test lets it."""

    owner, attached, lost = "me", True, False

    def __init__(self) -> None:
        self.dirty = True
        self._calls: list[Callable[[], None]] = []

    def call_when_saved(self, function: Callable[[], None]) -> bool:
        self._calls.append(function)
        return self.dirty

    def save(self) -> None:
        self.dirty = False
        for call in self._calls:
            call()

    def put(self, *_: Any) -> bool:
        return True

    def end(self) -> None: ...


class Scene:
    """A connection with a barrier, and what has come through."""

    def __init__(self, *, down: bool = False) -> None:
        self.sent: list[str] = []
        self.copy = Copy()
        self.client = SimpleNamespace(write_forward_msg=lambda message: self.sent.append(message.WhichOneof("type")))
        self.barrier = CommitBarrier(self.client, self.copy, lambda: down, lambda _send: self.sent.append("late"))

    def write(self, *kinds: str) -> None:
        for kind in kinds:
            message = ForwardMsg()
            if kind == "script_finished":
                message.script_finished = ForwardMsg.FINISHED_SUCCESSFULLY
            else:
                getattr(message, kind).SetInParent()
            self.client.write_forward_msg(message)


async def test_the_end_of_a_run_and_what_follows_wait_until_its_changes_are_saved() -> None:
    scene = Scene()
    scene.write("new_session", "delta", "script_finished", "new_session")
    assert scene.sent == ["new_session", "delta"]
    scene.copy.save()
    await asyncio.sleep(0)
    assert scene.sent == ["new_session", "delta", "script_finished", "new_session"]


async def test_a_run_that_has_changed_nothing_waits_for_nothing() -> None:
    scene = Scene()
    scene.copy.dirty = False
    scene.write("script_finished")
    assert scene.sent == ["script_finished"]


async def test_a_store_that_takes_too_long_is_reported_before_the_end_of_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(barriers, "HOLD_S", 0.01)
    scene = Scene()
    scene.write("script_finished", "delta")
    async with asyncio.timeout(60):
        while len(scene.sent) < 3:  # noqa: ASYNC110 - a timer of the loop
            await asyncio.sleep(0.005)
    assert scene.sent == ["late", "script_finished", "delta"]


async def test_nobody_waits_for_a_store_that_is_known_to_be_away() -> None:
    scene = Scene(down=True)
    scene.write("delta", "script_finished")
    assert scene.sent == ["delta", "late", "script_finished"]
    waiting = Scene()
    waiting.write("script_finished")
    waiting.barrier.give_up()
    assert waiting.sent == ["late", "script_finished"]
