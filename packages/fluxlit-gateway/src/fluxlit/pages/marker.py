"""What a page writes beside a parameter to say where its value comes from.

```python
from typing import Annotated
from fluxlit.pages import Depends, Header, Query

def orders(
    st,
    page: Annotated[int, Query()] = 1,
    agent: Annotated[str, Header(alias="user-agent")] = "",
    database=Depends(open_database),
):
    st.write(database.orders(page))
```

The markers are functions that return `Any`, so that they may stand as a default value without
an argument with a type checker.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class InputPlace(enum.Enum):
    """The part of the browser's request that a value is read from."""

    QUERY = "query"
    HEADER = "header"
    COOKIE = "cookie"

    @property
    def noun(self) -> str:
        """What a message calls such a value."""
        return "query parameter" if self is InputPlace.QUERY else self.value


class _Missing(enum.Enum):
    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing.MISSING


@dataclass(frozen=True)
class DependsMarker:
    """The value is what `dependency` returns or yields."""

    dependency: Callable[..., Any] | None
    use_cache: bool


@dataclass(frozen=True)
class InputMarker:
    """Reads the value from `place` under `alias` and validates it."""

    place: InputPlace
    alias: str | None
    default: Any
    description: str


def Depends(dependency: Callable[..., Any] | None = None, *, use_cache: bool = True) -> Any:  # noqa: N802 - reads as a type
    """Fill the parameter with what a function returns or yields.

    The function may be sync or async and may itself ask for anything that a page may ask for. One that
    yields goes on after the page is done: also when the page raises, or ends by `st.stop` or `st.rerun`.
    An exception is raised at its `yield`, as in a context manager.

    Args:
        dependency: the function; by default the parameter's annotation is called.
        use_cache: call the function once per run however many parameters ask for it.
    """
    return DependsMarker(dependency, use_cache)


def Query(*, alias: str | None = None, default: Any = MISSING, description: str = "") -> Any:  # noqa: N802 - reads as a type
    """Fill the parameter from the query string, validated by Pydantic.

    A list takes all values of that name, anything else the last one. A Pydantic model takes the whole query
    string, one field per name. Bounds stand in the annotation: `Annotated[int, Query(), Field(ge=1)]`.

    Args:
        alias: the name in the URL; by default that of the parameter.
        default: the value when the URL lacks it; without one it is required. The parameter's own default does the same.
        description: for the page manifest.
    """
    return InputMarker(InputPlace.QUERY, alias, default, description)


def Header(*, alias: str | None = None, default: Any = MISSING, description: str = "") -> Any:  # noqa: N802 - reads as a type
    """Fill the parameter from a header of the request that opened the session.

    Args:
        alias: the header's name; by default that of the parameter with dashes for underscores.
        default: as for `Query`.
        description: for the page manifest.
    """
    return InputMarker(InputPlace.HEADER, alias, default, description)


def Cookie(*, alias: str | None = None, default: Any = MISSING, description: str = "") -> Any:  # noqa: N802 - reads as a type
    """Fill the parameter from a cookie of the request that opened the session.

    Args:
        alias: the cookie's name; by default that of the parameter.
        default: as for `Query`.
        description: for the page manifest.
    """
    return InputMarker(InputPlace.COOKIE, alias, default, description)
