from __future__ import annotations

import importlib.metadata
import logging

import pytest

from fluxlit._internal import tested_versions as versions

STREAMLIT = versions.TESTED["streamlit"]


def after(version: str) -> str:
    major, second = versions.minor(version)
    return f"{major}.{second + 1}.0"


@pytest.mark.parametrize(
    ("version", "numbers"), [("1.61.3", (1, 61)), ("16", (16, 0)), ("1.0.dev6", (1, 0)), ("2.0rc1+local.7", (2, 0))]
)
def test_the_minor_release_of_a_version(version: str, numbers: tuple[int, int]) -> None:
    assert versions.minor(version) == numbers


def test_a_range_holds_every_patch_of_its_first_and_last_release() -> None:
    first, last = STREAMLIT
    assert versions.is_tested("streamlit", f"{first}.0")
    assert versions.is_tested("streamlit", f"{last}.99")
    assert not versions.is_tested("streamlit", after(last))
    assert not versions.is_tested("streamlit", "1.60.1")


def test_what_is_outside_of_its_range_is_named_with_the_range() -> None:
    found = versions.untested({"streamlit": f"{STREAMLIT[1]}.2", "httpx": "1.0.dev6", "else": "7"})
    assert found == ["httpx 1.0.dev6 (tested: 0.28)"]


def test_one_line_of_the_log_warns(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    installed = {name: f"{last}.0" for name, (_, last) in versions.TESTED.items()}
    monkeypatch.setattr(importlib.metadata, "version", installed.__getitem__)
    with caplog.at_level(logging.WARNING, "fluxlit"):
        versions.warn_of_untested()
        assert not caplog.messages
        installed["uvicorn"] = installed["httpx"] = "99.0.0"
        versions.warn_of_untested()
    [line] = caplog.messages
    assert "uvicorn 99.0.0 (tested: " in line
    assert "httpx 99.0.0 (tested: " in line
