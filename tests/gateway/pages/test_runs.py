"""One run of a page under the real Streamlit.

What its parameters receive, and what is cleaned up after it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import pytest
from fastapi import Request
from pydantic import BaseModel, Field

from fluxlit import ApiClient, Cookie, Depends, FluxLit, Header, PageError, Query, Settings
from fluxlit.testing import page_test

Event = str


@pytest.fixture
def app() -> FluxLit:
    app = FluxLit(title="Runs", api_mount_path="/backend")

    @app.api.get("/greeting")
    def greeting(name: str, request: Request) -> str:
        return f"Hello {name} at {request.url.path}"

    return app


def texts(app: FluxLit, **options: Any) -> list[str]:
    """Run the landing page; what it shows by `st.text`."""
    page = page_test(app, **options).run()
    assert not page.exception
    return [text.value for text in page.text]


def errors(app: FluxLit, **options: Any) -> str:
    """Run the landing page; its one error message."""
    page = page_test(app, **options).run()
    assert not page.exception
    assert not page.text
    (error,) = page.error
    message: str = error.value
    return message


def test_a_page_gets_streamlit_client_application_and_settings(app: FluxLit) -> None:
    @app.page("/")
    def home(st: Any, client: ApiClient, again: ApiClient, owner: FluxLit, settings: Settings) -> None:
        st.text(client.get("/greeting", params={"name": "Ada"}).json())
        st.text(f"{again is client} {owner is app} {settings.title} {st.__name__}")

    assert texts(app) == ["Hello Ada at /backend/greeting", "True True Runs streamlit"]


def test_positional_only_parameters_and_an_async_page(app: FluxLit) -> None:
    @app.page("/")
    async def home(st: Any, /, *, number: Annotated[int, Query()] = 1) -> None:
        await asyncio.sleep(0)
        st.text(number)

    assert texts(app, query={"number": "5"}) == ["5"]


class Filters(BaseModel):
    year: Annotated[int, Field(ge=2000)]
    tags: list[str] = []
    region: Annotated[str, Field(alias="r")] = "all"


def values_page(app: FluxLit) -> None:
    @app.page("/")
    def home(
        st: Any,
        size: Annotated[int, Query(), Field(ge=1, le=9)] = 3,
        tags: Annotated[list[str], Query(alias="tag")] = [],  # noqa: B006 - never changed
        maybe: Annotated[set[int] | None, Query()] = None,
        agent: Annotated[str, Header(alias="User-Agent")] = "none",
        x_request_id: str = Header(default="none"),
        theme: str = Cookie(default="light"),
    ) -> None:
        st.text(f"{size} {tags} {maybe} {agent} {x_request_id} {theme}")


def test_what_the_browser_does_not_send_has_its_default(app: FluxLit) -> None:
    values_page(app)

    assert texts(app) == ["3 [] None none none light"]


def test_what_the_browser_sends_is_validated_and_converted(app: FluxLit) -> None:
    values_page(app)
    query = {"size": "7", "tag": ["a", "b"], "maybe": "4"}
    sent = {"headers": {"user-agent": "Test", "X-Request-ID": "abc"}, "cookies": {"theme": "dark"}}

    assert texts(app, query=query, **sent) == ["7 ['a', 'b'] {4} Test abc dark"]


def test_of_several_values_the_last_counts(app: FluxLit) -> None:
    values_page(app)

    assert texts(app, query={"size": ["1", "2"]}) == ["2 [] None none none light"]


def test_a_model_takes_the_whole_query(app: FluxLit) -> None:
    @app.page("/")
    def home(st: Any, filters: Annotated[Filters, Query()]) -> None:
        st.text(f"{filters.year} {filters.tags} {filters.region}")

    assert texts(app, query={"year": "2026", "tags": ["x", "y"], "r": "EU", "other": "1"}) == ["2026 ['x', 'y'] EU"]
    assert "query parameter `year`: Input should be greater than or equal to 2000 (it is `1999`)" in errors(
        app, query={"year": "1999"}
    )
    assert "query parameter `year`: Field required" in errors(app)


def test_every_problem_is_told_at_once_before_anything_is_called(app: FluxLit) -> None:
    called: list[str] = []

    def dependency(depth: Annotated[int, Query()]) -> int:
        called.append("dependency")
        return depth

    @app.page("/")
    def home(st: Any, size: Annotated[int, Query(), Field(le=9)], deep: int = Depends(dependency)) -> None:
        called.append("page")

    message = errors(app, query={"size": "10"})
    assert "query parameter `size`: Input should be less than or equal to 9 (it is `10`)" in message
    assert "query parameter `depth` is missing" in message
    assert called == []


def test_a_value_cannot_break_out_of_the_message(app: FluxLit) -> None:
    @app.page("/")
    def home(st: Any, size: Annotated[int, Query()]) -> None: ...

    message = errors(app, query={"size": "`[x](javascript:alert(1))\n# big" + "x" * 500})
    assert "(it is `?[x](javascript:alert(1))?# big" in message
    assert len(message) < 300


def test_headers_and_cookies_are_not_repeated_in_the_message(app: FluxLit) -> None:
    @app.page("/")
    def home(st: Any, token: Annotated[int, Cookie()], x_key: Annotated[int, Header()]) -> None: ...

    message = errors(app, cookies={"token": "hunter2"}, headers={"x-key": "sesame"})
    assert "cookie `token`" in message
    assert "header `x-key`" in message
    assert "hunter2" not in message
    assert "sesame" not in message


def test_dependencies_nest_and_are_called_once_per_run(app: FluxLit) -> None:
    calls: list[str] = []

    def base(st: Any, n: Annotated[int, Query()] = 1) -> int:
        calls.append("base")
        return n

    async def double(value: int = Depends(base)) -> int:
        await asyncio.sleep(0)
        calls.append("double")
        return value * 2

    class Sum:
        def __init__(self, a: Annotated[int, Depends(base)], b: Annotated[int, Depends(double)]) -> None:
            self.total = a + b

    @app.page("/")
    def home(
        st: Any,
        total: Annotated[Sum, Depends()],
        again: Annotated[int, Depends(double)],
        fresh: Annotated[int, Depends(base, use_cache=False)],
    ) -> None:
        st.text(f"{total.total} {again} {fresh}")

    assert texts(app, query={"n": "5"}) == ["15 10 5"]
    assert calls == ["base", "double", "base"]


Ending = Callable[[Any], None]


def fail(st: Any) -> None:
    raise LookupError("the page is at fault")


ENDINGS: dict[str, tuple[Ending, list[Event]]] = {
    "returns": (lambda st: None, ["committed", "async committed"]),
    "stops": (lambda st: st.stop(), ["committed", "async committed"]),
    "fails": (fail, ["LookupError", "async LookupError"]),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_clean_up_runs_in_reverse_however_the_page_ends(app: FluxLit, ending: str) -> None:
    end, outcomes = ENDINGS[ending]
    events: list[Event] = []

    def transaction() -> Iterator[str]:
        events.append("open")
        try:
            yield "a"
            events.append("committed")
        except Exception as error:
            events.append(type(error).__name__)
            raise
        finally:
            events.append("closed")

    async def connection(inner: Annotated[str, Depends(transaction)]) -> AsyncIterator[str]:
        events.append("async open")
        try:
            yield inner + "b"
            await asyncio.sleep(0)
            events.append("async committed")
        except Exception as error:
            events.append(f"async {type(error).__name__}")
            raise
        finally:
            events.append("async closed")

    @app.page("/")
    def home(st: Any, value: str = Depends(connection)) -> None:
        events.append(value)
        end(st)

    page = page_test(app).run()

    assert events == ["open", "async open", "ab", outcomes[1], "async closed", outcomes[0], "closed"]
    assert [shown.message for shown in page.exception] == (["the page is at fault"] if ending == "fails" else [])


def test_clean_up_runs_before_a_rerun(app: FluxLit) -> None:
    events: list[Event] = []

    def connection() -> Iterator[None]:
        events.append("open")
        yield
        events.append("committed")

    @app.page("/")
    def home(st: Any, value: None = Depends(connection)) -> None:
        if "again" not in st.session_state:
            st.session_state["again"] = True
            st.rerun()
        st.text("second")

    assert texts(app) == ["second"]
    assert events == ["open", "committed", "open", "committed"]


def test_what_was_opened_is_closed_when_a_later_dependency_fails(app: FluxLit) -> None:
    events: list[Event] = []

    @contextmanager
    def opened() -> Iterator[str]:
        events.append("open")
        try:
            yield "value"
        finally:
            events.append("closed")

    def guard(st: Any, value: Annotated[str, Depends(opened)]) -> None:
        events.append(value)
        st.error("Please log in")
        st.stop()

    @app.page("/")
    def home(st: Any, allowed: None = Depends(guard)) -> None:
        events.append("page")

    page = page_test(app).run()
    assert [error.value for error in page.error] == ["Please log in"]
    assert events == ["open", "value", "closed"]


def test_a_run_that_streamlit_interrupts_is_not_committed(app: FluxLit) -> None:
    events: list[Event] = []
    entered = threading.Event()

    def transaction() -> Iterator[None]:
        try:
            yield
            events.append("committed")
        finally:
            events.append("closed")

    @app.page("/")
    def home(st: Any, value: None = Depends(transaction)) -> None:
        entered.set()
        while True:
            st.empty()  # where Streamlit interrupts a run

    with pytest.raises(RuntimeError, match="timed out"):
        page_test(app, timeout=0.5).run()
    assert entered.is_set()
    assert events == ["closed"]


def current_user(x_user: Annotated[str, Header()]) -> str:
    return x_user


def test_overrides_stand_in_with_parameters_of_their_own(app: FluxLit) -> None:
    def fake(st: Any, name: Annotated[str, Query()] = "nobody") -> Iterator[str]:
        yield f"fake {name}"

    @app.page("/")
    def home(st: Any, user: Annotated[str, Depends(current_user)]) -> None:
        st.text(user)

    assert texts(app, headers={"x-user": "ada"}) == ["ada"]
    assert texts(app, overrides={current_user: fake}, query={"name": "eve"}) == ["fake eve"]


def test_a_page_test_names_the_pages_that_there_are(app: FluxLit) -> None:
    app.page("/a")(lambda st: None)
    with pytest.raises(PageError, match="no page '/b' to test; there are: /a"):
        page_test(app, "/b")


def test_a_page_test_opens_the_page_that_it_names(app: FluxLit) -> None:
    @app.page("/")
    def home(st: Any) -> None:
        st.text("home")

    @app.page("/other", hidden=True)
    def other(st: Any) -> None:
        st.text("other")

    assert [text.value for text in page_test(app, "/other").run().text] == ["other"]
