"""The UI half of a server before it is started, and where its workers import the application from."""

from __future__ import annotations

import pytest

from fluxlit import FluxLit, FluxLitError, TargetError
from fluxlit._internal.asgi import Message
from fluxlit.server.ui import Ui, find_target
from fluxlit.settings import resolve

pytestmark = pytest.mark.anyio


def ui(application: FluxLit) -> Ui:
    resolved = resolve(flags={}, arguments=application.setting_arguments)
    return Ui(application, resolved, find_target=lambda: "app:app")


def test_an_application_without_pages_is_ready_without_a_ui() -> None:
    found = ui(FluxLit())
    assert (found.enabled, found.readiness().ready) == (False, True)


async def receive() -> Message:
    return {}


async def send(_: Message) -> None: ...


async def test_before_the_start_pages_are_not_ready_and_requests_fail() -> None:
    application = FluxLit()
    application.page("/")(lambda st: None)
    found = ui(application)
    assert (found.enabled, found.readiness().ready) == (True, False)
    with pytest.raises(FluxLitError, match="has not started"):
        await found({"type": "http"}, receive, send)


def test_the_target_is_the_given_one_then_that_of_the_object() -> None:
    assert find_target(FluxLit(import_target="a:b"), "c:d", {}) == "c:d"
    assert find_target(FluxLit(import_target="a:b"), None, {}) == "a:b"


def test_an_object_in_no_module_is_refused_with_the_remedy() -> None:
    with pytest.raises(TargetError, match="FluxLit\\(import_target="):
        find_target(FluxLit(), None, {})
