"""What may be registered as a page, and the errors for all else."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import fastapi
import pytest
from pydantic import BaseModel, Json, RootModel
from typing_extensions import TypedDict

from fluxlit.client import ApiClient
from fluxlit.errors import PageError
from fluxlit.pages import Cookie, Depends, Header, PageRegistry, Query
from fluxlit.settings import Settings

if TYPE_CHECKING:
    from decimal import Decimal


class Owner:
    """Stands for the FluxLit object."""


class Special(Owner):
    """A user's own subclass."""


class Filters(BaseModel):
    year: int


@pytest.fixture
def registry() -> PageRegistry:
    return PageRegistry(Special())


def page(st: Any) -> None:
    """Show something.

    And more.
    """


def test_metadata_is_kept(registry: PageRegistry) -> None:
    record = registry.add(
        "/sales",
        page,
        title="Sales",
        icon=":material/home:",
        layout="wide",
        initial_sidebar_state=300,
        section="Money",
        order=2,
        hidden=True,
        default=True,
        tags=["a", "b"],
    )

    assert (record.path, record.url_path, record.title, record.icon) == ("/sales", "sales", "Sales", ":material/home:")
    assert (record.layout, record.initial_sidebar_state, record.section, record.order) == ("wide", 300, "Money", 2)
    assert (record.hidden, record.default, record.tags) == (True, True, ("a", "b"))
    assert record.description == "Show something."


def sales_by_region(st: Any) -> None: ...


@pytest.mark.parametrize(
    ("function", "title"),
    [
        (sales_by_region, "Sales by region"),
        (page, "Page"),
        (functools.partial(page), "Partial"),
        (lambda st: None, "Lambda"),
    ],
)
def test_the_title_comes_from_the_name(registry: PageRegistry, function: Callable[..., Any], title: str) -> None:
    assert registry.add("/x", function).title == title


GOOD_PATHS = ["/", "/orders", "/Orders-2_b.c~", "/größe", "/页面", "/app", "/docs"]


@pytest.mark.parametrize("path", GOOD_PATHS)
def test_a_path_is_the_root_or_one_segment(registry: PageRegistry, path: str) -> None:
    assert registry.add(path, page).path == path


BAD_PATHS = {
    "/reports/daily": "one segment. Use '/reports-daily', and section='Reports'",
    "/a/b/c": "Use '/a-b-c'",
    "orders": "must start with one slash and not end with one: use '/orders'",
    "/orders/": "use '/orders'",
    "//orders": "use '/orders'",
    "": "is not valid",
    "/a b": "For example '/a-b'",
    "/a?b": "is not valid",
    "/..": "is not valid",
    "/.": "is not valid",
    "/%2e": "is not valid",
    "/_stcore": "is reserved",
    "/static": "is reserved",
    "/Media": "is reserved",
    "/component": "is reserved",
    "/oauth2callback": "is reserved",
    "/favicon.png": "is reserved",
    "/api": "is taken by the API, which is mounted at '/api'",
}


@pytest.mark.parametrize("path", BAD_PATHS)
def test_any_other_path_is_refused_with_a_way_out(registry: PageRegistry, path: str) -> None:
    with pytest.raises(PageError, match=re.escape(BAD_PATHS[path])) as caught:
        registry.add(path, page)

    assert str(caught.value).startswith(f"{__file__}:{page.__code__.co_firstlineno}: ")
    assert len(registry) == 0


def test_the_same_path_twice_is_refused_with_the_place_of_the_first(registry: PageRegistry) -> None:
    registry.add("/orders", page)
    first = f"{__file__}:{page.__code__.co_firstlineno}"
    with pytest.raises(PageError, match=f"already registered at {re.escape(first)}"):
        registry.add("/orders", sales_by_region)
    with pytest.raises(PageError, match="differs only in case"):
        registry.add("/Orders", sales_by_region)


def test_spellings_of_one_unicode_path_are_one_path(registry: PageRegistry) -> None:
    registry.add("/gr\u00f6\u00dfe", page)
    with pytest.raises(PageError, match="already registered"):
        registry.add("/gro\u0308\u00dfe", page)


@pytest.mark.parametrize(("first", "second"), [("/", "/x"), ("/x", "/"), ("/x", "/y")])
def test_there_is_one_landing_page(registry: PageRegistry, first: str, second: str) -> None:
    registry.add(first, page, default=first != "/")
    with pytest.raises(PageError, match=f"cannot be the landing page too: page '{first}'"):
        registry.add(second, page, default=second != "/")


def test_a_moved_api_takes_its_new_place() -> None:
    registry = PageRegistry(api_mount_path="/backend/v1")
    registry.add("/api", page)
    with pytest.raises(PageError, match="mounted at '/backend/v1'"):
        registry.add("/backend", page)


def test_a_mount_from_the_settings_is_checked_once_it_is_known(registry: PageRegistry) -> None:
    registry.add("/service", page)
    registry.validate("/api")
    with pytest.raises(PageError, match=rf"^{re.escape(__file__)}:\d+: page path '/service' is taken by the API"):
        registry.validate("/service")


LOOKS: list[tuple[dict[str, Any], str]] = [
    ({"icon": "home"}, "icon 'home' is not one"),
    ({"icon": ":home:"}, "':material/home:'"),
    ({"icon": ""}, "icon ''"),
    ({"layout": "full"}, "give 'centered' or 'wide'"),
    ({"initial_sidebar_state": "open"}, "'auto', 'expanded', 'collapsed', or a width"),
    ({"initial_sidebar_state": 0}, "or a width"),
    ({"initial_sidebar_state": True}, "or a width"),
]


@pytest.mark.parametrize(("look", "message"), LOOKS)
def test_a_look_that_streamlit_would_refuse_is_refused_at_once(
    registry: PageRegistry, look: dict[str, Any], message: str
) -> None:
    with pytest.raises(PageError, match=re.escape(message)):
        registry.add("/x", page, **look)


@pytest.mark.parametrize("icon", ["🏠", "⚙️", "👩‍💻", "1️⃣", "🇩🇪", "👍🏽", "‼️", "↔️", ":material/thumb_up:"])
def test_emoji_and_material_symbols_are_icons(registry: PageRegistry, icon: str) -> None:
    assert registry.add("/x", page, icon=icon).icon == icon


def test_a_script_is_found_beside_the_file_that_registers_it(registry: PageRegistry) -> None:
    record = registry.add("/legacy", script=Path(__file__).name)

    assert record.script == Path(__file__)
    assert record.title == "Test registration"


def test_a_missing_script_is_refused_with_the_path_that_was_tried(registry: PageRegistry) -> None:
    tried = Path(__file__).parent / "nowhere" / "page.py"
    with pytest.raises(PageError, match=rf"^{re.escape(__file__)}:\d+: .*there is no file {re.escape(str(tried))}"):
        registry.add("/legacy", script="nowhere/page.py")


def test_a_page_is_a_function_or_a_script(registry: PageRegistry) -> None:
    with pytest.raises(PageError, match="exactly one"):
        registry.add("/x")
    with pytest.raises(PageError, match="exactly one"):
        registry.add("/x", page, script=__file__)


def values() -> Iterator[int]:
    yield 1


@contextmanager
def managed() -> Iterator[int]:
    yield 1


class Fields(TypedDict):
    year: int


class Name(RootModel[str]):
    """A single text."""


def everything(
    st: Any,
    client: Any,
    owner: Owner,
    special: Special,
    settings: Settings,
    api: ApiClient,
    number: Annotated[int, Query(alias="n")],
    filters: Annotated[Filters, Query()],
    agent: Annotated[str, Header()],
    parsed: Annotated[Json[dict[str, int]], Query()],
    name: Annotated[Name, Cookie()],
    token: Annotated[str | None, Cookie()] = None,
    value: int = Depends(values),
    other: Annotated[int, Depends(managed)] = 0,
    dependency: Filters = Depends(lambda: Filters(year=1)),
    plain: int = 3,
    unknown: Decimal | None = None,
    *,
    flag: Annotated[bool, Query()] = False,
) -> None: ...


def test_a_page_may_ask_for_all_of_this(registry: PageRegistry) -> None:
    plan = registry.add("/x", everything).plan

    assert plan is not None
    assert {argument.name for argument in plan.arguments}.isdisjoint({"plain", "unknown"})
    assert len(plan.arguments) == 16


def bad_name(st: Any, cleint: Any) -> None: ...
def bad_type(st: Any, folder: Path) -> None: ...
def bad_annotation(st: Any, amount: Annotated[Decimal, Query()]) -> None: ...
def bad_star(st: Any, *args: Any) -> None: ...
def bad_stars(st: Any, **kwargs: Any) -> None: ...
def bad_depends(st: Any, value: Any = Depends()) -> None: ...
def bad_foreign(st: Any, q: Annotated[int, fastapi.Query()] = 1) -> None: ...
def bad_foreign_depends(st: Any, q: Annotated[int, fastapi.Depends(page)]) -> None: ...
def bad_schema(st: Any, owner: Annotated[Owner, Query()]) -> None: ...
def bad_fields(st: Any, q: Annotated[Fields, Query()]) -> None: ...
def bad_mapping(st: Any, q: Annotated[dict[str, str] | None, Query()] = None) -> None: ...
def bad_model(st: Any, q: Annotated[Filters, Header()]) -> None: ...
def bad_nested(st: Any, value: Any = Depends(bad_type)) -> None: ...


def bad_page(st: Any) -> Iterator[None]:
    yield


BAD_PAGES: list[tuple[Callable[..., Any], str]] = [
    (
        bad_name,
        (
            "parameter 'cleint', which nothing can fill (did you mean 'client'?). "
            "A page can ask for st, client and session by name"
        ),
    ),
    (bad_type, "parameter 'folder', which nothing can fill. A page can ask for"),
    (bad_annotation, "outside `if TYPE_CHECKING`"),
    (bad_star, "takes '*args', which hides"),
    (bad_stars, "takes '**kwargs', which hides what it needs. Name the parameters one by one; a decorator"),
    (bad_depends, "names nothing to call"),
    (bad_foreign, "Use `from fluxlit import Query`"),
    (bad_foreign_depends, "Use `from fluxlit import Depends`"),
    (bad_schema, "Pydantic cannot validate"),
    (bad_fields, "parameter 'q' with several values in one query parameter. Use a Pydantic model"),
    (bad_mapping, "parameter 'q' with several values in one query parameter"),
    (bad_model, "parameter 'q' with several values in one header"),
    (bad_page, "yields, but a page runs from top to bottom"),
]


@pytest.mark.parametrize(("function", "message"), BAD_PAGES)
def test_a_signature_that_cannot_be_filled_is_refused_with_its_place(
    registry: PageRegistry, function: Callable[..., Any], message: str
) -> None:
    with pytest.raises(PageError, match=re.escape(message)) as caught:
        registry.add("/x", function)

    assert str(caught.value).startswith(f"{__file__}:{function.__code__.co_firstlineno}: page '/x' ")
    assert len(registry) == 0


def test_a_dependency_is_named_with_its_own_place(registry: PageRegistry) -> None:
    with pytest.raises(PageError, match=r"dependency .*bad_type of page '/x' has parameter 'folder'") as caught:
        registry.add("/x", bad_nested)

    assert str(caught.value).startswith(f"{__file__}:{bad_type.__code__.co_firstlineno}: ")


def test_the_list_of_what_can_be_asked_for_names_the_application(registry: PageRegistry) -> None:
    menu = "for ApiClient, Owner, SessionStore, Settings, Special, Urls, User by annotation"
    with pytest.raises(PageError, match=menu):
        registry.add("/x", bad_type)


def test_dependencies_in_a_circle_are_refused(registry: PageRegistry) -> None:
    def one(value: Any) -> None: ...
    def two(value: Any = Depends(one)) -> None: ...

    one.__defaults__ = (Depends(two),)
    with pytest.raises(PageError, match=r"in a circle: .*two -> .*one -> .*two"):
        registry.add("/x", two)


def test_names_of_the_enclosing_function_are_known_to_annotations(registry: PageRegistry) -> None:
    class Local(BaseModel):
        size: int

    def local_page(st: Any, local: Annotated[Local, Query()]) -> None: ...

    plan = registry.add("/x", local_page).plan
    assert plan is not None
    assert [wanted.parameter for wanted in plan.inputs()] == ["local"]


def test_a_decorator_with_wraps_shows_what_it_wraps(registry: PageRegistry) -> None:
    @functools.wraps(page)
    def wrapped(*args: Any, **kwargs: Any) -> None: ...

    plan = registry.add("/x", wrapped).plan
    assert plan is not None
    assert [argument.name for argument in plan.arguments] == ["st"]


def test_pages_with_a_number_come_first_and_the_rest_as_registered(registry: PageRegistry) -> None:
    for path, order in {"/c": None, "/b": 2, "/a": None, "/d": 1, "/e": -1.5, "/f": 0}.items():
        registry.add(path, page, order=order)

    assert [record.path for record in registry] == ["/e", "/f", "/d", "/b", "/c", "/a"]


LANDINGS: list[tuple[dict[str, dict[str, Any]], str | None]] = [
    ({}, None),
    ({"/a": {}, "/": {}}, "/"),
    ({"/a": {}, "/b": {"default": True}}, "/b"),
    ({"/a": {"hidden": True}, "/b": {}}, "/b"),
    ({"/a": {}, "/b": {"order": 1}}, "/b"),
    ({"/a": {"hidden": True}}, "/a"),
]


@pytest.mark.parametrize(("pages", "landing"), LANDINGS)
def test_the_landing_page(registry: PageRegistry, pages: dict[str, dict[str, Any]], landing: str | None) -> None:
    for path, options in pages.items():
        registry.add(path, page, **options)

    assert (registry.landing.path if registry.landing else None) == landing
