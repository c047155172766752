"""A Chromium for the tests of a module, and a fresh window for each test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser

from tests.support.chromium import Visitor, open_chromium, open_visitor
from tests.support.pictures import Album


# Playwright keeps an event loop in this thread as long as it lives, so no longer than one module.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_chromium() as browser:
        yield browser


@pytest.fixture
def new_visitor(chromium: Browser) -> Iterator[Callable[[], Visitor]]:
    """Opens windows that know nothing of each other.

    A test fails if anything went wrong in one of them.
    """
    visitors: list[Visitor] = []
    with ExitStack() as windows:

        def open_one() -> Visitor:
            visitors.append(windows.enter_context(open_visitor(chromium)))
            return visitors[-1]

        yield open_one
        assert [visitor.problems for visitor in visitors] == [[] for _ in visitors]


@pytest.fixture
def visitor(new_visitor: Callable[[], Visitor]) -> Visitor:
    """One window."""
    return new_visitor()


@pytest.fixture
def album() -> Iterator[Album]:
    """Takes pictures for the documentation."""
    album = Album()
    yield album
    album.check()
