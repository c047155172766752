"""The log reports each shortage of file descriptors once."""

from __future__ import annotations

import pytest

from fluxlit._internal import descriptors
from fluxlit._internal.descriptors import Watch, descriptor_limit, lowest_free

STORIES: dict[str, tuple[list[int | None], list[str]]] = {
    "enough": ([10, 84, 20], []),
    "few": ([84, 85, 99, 90], ["WARNING"]),
    "few, then none": ([90, None, None, 99], ["WARNING", "ERROR"]),
    "none at once": ([10, None], ["ERROR"]),
    "none, and again after a rest": ([None, 10, None], ["ERROR", "ERROR"]),
    "few, and again after a rest": ([90, 10, 90], ["WARNING", "WARNING"]),
}


@pytest.mark.parametrize(("seen", "told"), STORIES.values(), ids=STORIES)
def test_it_is_told_when_it_gets_worse(
    seen: list[int | None], told: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks = iter(seen)
    monkeypatch.setattr(descriptors, "descriptor_limit", lambda: 100)
    monkeypatch.setattr(descriptors, "lowest_free", lambda: next(looks))
    watch = Watch("The gateway")
    for _ in seen:
        watch.look()

    assert [record.levelname for record in caplog.records] == told
    for record in caplog.records:
        assert "The gateway" in record.getMessage()
        assert "100" in record.getMessage()
        assert "ulimit -n 65536" in record.getMessage()


def test_a_look_leaves_nothing_open() -> None:
    first = lowest_free()
    assert first is not None
    assert first < descriptor_limit()
    assert lowest_free() == first
