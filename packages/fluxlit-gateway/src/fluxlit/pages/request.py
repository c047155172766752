"""Values from the browser's request, read and validated for one parameter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from pydantic import ValidationError

from fluxlit.pages.marker import MISSING, InputPlace
from fluxlit.pages.plan import Input

_SHOWN_CHARACTERS = 80


class Request(Protocol):
    """The part of a run that values are read from."""

    def values(self, place: InputPlace, name: str) -> list[str]:
        """All values under a name, in order; empty if there are none."""
        ...

    def query_names(self) -> Iterable[str]:
        """Every name in the query string."""
        ...


class InputError(ValueError):
    """What the browser sent does not fit what the page asks for.

    Attributes:
        problems: one Markdown list item each.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def read_input(wanted: Input, request: Request) -> Any:
    """The validated value of one parameter, or its default.

    Raises:
        InputError: if the value is missing or does not validate.
    """
    if not wanted.name:
        return _validated(wanted, _whole_query(wanted, request))
    found = request.values(wanted.place, wanted.name)
    if found:
        return _validated(wanted, found if wanted.name in wanted.lists else found[-1])
    if wanted.default is MISSING:
        raise InputError([f"- {wanted.place.noun} `{wanted.name}` is missing"])
    return wanted.default


def _whole_query(wanted: Input, request: Request) -> dict[str, Any]:
    found = {name: request.values(InputPlace.QUERY, name) for name in request.query_names()}
    return {name: values if name in wanted.lists else values[-1] for name, values in found.items() if values}


def _validated(wanted: Input, value: Any) -> Any:
    try:
        return wanted.adapter.validate_python(value)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        raise InputError([_describe(wanted, detail) for detail in details]) from None


def _describe(wanted: Input, detail: Any) -> str:
    name = wanted.name or ".".join(str(step) for step in detail["loc"]) or wanted.parameter
    line = f"- {wanted.place.noun} `{_code(name)}`: {detail['msg']}"
    # A header or a cookie may be a secret; what stands in the address bar is not.
    if wanted.place is InputPlace.QUERY and detail["type"] != "missing":
        line += f" (it is `{_code(str(detail['input']))}`)"
    return line


def _code(text: str) -> str:
    """Text that is safe between backticks and not too long to read."""
    clean = "".join(character if character.isprintable() and character != "`" else "?" for character in text)
    return clean if len(clean) <= _SHOWN_CHARACTERS else f"{clean[:_SHOWN_CHARACTERS]}..."
