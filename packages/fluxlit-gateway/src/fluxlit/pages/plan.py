"""How each parameter of a page is filled, planned at registration.

The signature is read, annotations are resolved and validators are built here, so that a run
only looks up and calls. What nothing can fill is refused here too, while the developer is looking.
"""

from __future__ import annotations

import difflib
import enum
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeGuard

import fastapi.params
from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticUserError

from fluxlit.errors import PageError
from fluxlit.pages.marker import DependsMarker, InputMarker, InputPlace
from fluxlit.pages.run_context import RunContext
from fluxlit.pages.source import Location, innermost, location_of, name_of
from fluxlit.sessions import SessionStore, page_session, session_classes
from fluxlit.urls import public_urls
from fluxlit.users import Invitation, Requirement

Provider = Callable[[RunContext], Any]

NAMED: Mapping[str, Provider] = {"st": lambda run: run.st, "client": lambda run: run.client}
SESSION = "session"
"""Name of the parameter that the visitor's session fills, unless its annotation names something else."""


class Kind(enum.Enum):
    """How a callable gives its value."""

    RETURNS = "returns"
    AWAITS = "awaits"
    YIELDS = "yields"
    YIELDS_ASYNC = "yields async"


@dataclass(frozen=True, slots=True)
class Provided:
    """Filled by something that every run has: Streamlit, the client, the app."""

    provider: Provider


@dataclass(frozen=True, slots=True)
class Input:
    """Filled from the browser's request.

    Attributes:
        place: the part of the request.
        name: the name there; empty for a model that takes the whole query string.
        parameter: the name of the parameter, for messages.
        adapter: validates the value.
        default: used when the request lacks the value; `MISSING` if it is required.
        lists: names (of the value, or of the model's fields) that take all values given, not the last.
        description: the author's words, for the manifest.
    """

    place: InputPlace
    name: str
    parameter: str
    adapter: TypeAdapter[Any]
    default: Any
    lists: frozenset[str]
    description: str


@dataclass(frozen=True, slots=True)
class Needed:
    """Filled by calling another function first."""

    plan: Plan
    use_cache: bool


Source = Provided | Input | Needed


@dataclass(frozen=True, slots=True)
class Argument:
    """One parameter and what fills it."""

    name: str
    source: Source
    positional: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """How to call one function."""

    call: Callable[..., Any]
    kind: Kind
    arguments: tuple[Argument, ...]

    def calls(self, function: Callable[..., Any]) -> bool:
        """Say whether a function is called for it, however indirectly."""
        return any(
            isinstance(each.source, Needed) and (each.source.plan.call is function or each.source.plan.calls(function))
            for each in self.arguments
        )

    def inputs(self) -> Iterator[Input]:
        """Every input of the function and its dependencies, depth first."""
        for argument in self.arguments:
            if isinstance(argument.source, Input):
                yield argument.source
            elif isinstance(argument.source, Needed):
                yield from argument.source.plan.inputs()


class Planner:
    """Plans functions against what the application can provide.

    Args:
        providers: what can be asked for by annotation.
    """

    def __init__(self, providers: Mapping[Any, Provider]) -> None:
        self.providers = providers

    def plan_page(self, function: Callable[..., Any], path: str, names: Mapping[str, Any] | None = None) -> Plan:
        """Plan a page function.

        Args:
            function: the page.
            path: its path, for messages.
            names: local names at the place of registration, for annotations that refer to them.

        Raises:
            PageError: if a parameter cannot be filled, or the function cannot be a page.
        """
        plan = self.plan(function, f"page {path!r}", names or {}, ())
        if plan.kind in (Kind.YIELDS, Kind.YIELDS_ASYNC):
            raise PageError(
                f"{location_of(function)}: page {path!r} yields, but a page runs from top to bottom. "
                f"Remove `yield`, or move what needs clean-up into a function that the page asks for with Depends(...)."
            )
        return plan

    def plan_dependency(self, function: Callable[..., Any]) -> Plan:
        """Plan a function that stands in for a dependency.

        Raises:
            PageError: if a parameter cannot be filled.
        """
        return self.plan(function, f"dependency {name_of(function)}", {}, ())

    def plan(
        self, function: Callable[..., Any], label: str, names: Mapping[str, Any], chain: Sequence[Callable[..., Any]]
    ) -> Plan:
        """Plan a function and, first, everything that it depends on.

        Args:
            function: what will be called.
            label: what messages call it.
            names: local names for its annotations.
            chain: the functions that depend on it, outermost first.

        Raises:
            PageError: if a parameter cannot be filled, or the chain is a circle.
        """
        where = location_of(function)
        if function in chain:
            circle = " -> ".join(name_of(step) for step in (*chain, function))
            raise PageError(f"{where}: dependencies of a page ask for each other in a circle: {circle}.")
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError) as error:
            raise PageError(f"{where}: {label} cannot be called: {error}.") from error
        step = _Step(self, function, label, where, names, (*chain, function))
        arguments = (step.argument(parameter) for parameter in parameters)
        return Plan(function, _kind(function), tuple(argument for argument in arguments if argument is not None))

    def menu(self) -> str:
        """What a page can ask for, in words."""
        types = ", ".join(sorted(type_.__name__ for type_ in self.providers if isinstance(type_, type)))
        return (
            f"A page can ask for {', '.join(NAMED)} and {SESSION} by name; for {types} by annotation; and for anything "
            f"else with Depends(...), Query(), Header() or Cookie(). A parameter with a default needs none of these."
        )


@dataclass(frozen=True)
class _Step:
    """Planning of one function: what its parameters share."""

    planner: Planner
    function: Callable[..., Any]
    label: str
    where: Location
    names: Mapping[str, Any]
    chain: Sequence[Callable[..., Any]]

    def argument(self, parameter: inspect.Parameter) -> Argument | None:
        source = self._source(parameter)
        if source is None:
            return None
        return Argument(parameter.name, source, parameter.kind is inspect.Parameter.POSITIONAL_ONLY)

    def _source(self, parameter: inspect.Parameter) -> Source | None:
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            stars = "*" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else "**"
            raise self._error(
                f"takes '{stars}{parameter.name}', which hides what it needs. Name the parameters one by one; "
                f"a decorator around it must use functools.wraps"
            )
        if parameter.name in NAMED and not isinstance(parameter.default, DependsMarker | InputMarker):
            return Provided(NAMED[parameter.name])
        return self._annotated_source(parameter)

    def _annotated_source(self, parameter: inspect.Parameter) -> Source | None:
        try:
            annotation = self._resolve(parameter.annotation)
        except Exception as error:
            if parameter.default is not inspect.Parameter.empty and not _is_marker(parameter.default):
                return None
            raise self._error(
                f"has parameter {parameter.name!r} with the annotation {parameter.annotation!r}, which cannot be "
                f"resolved ({error}). Define or import that name at module level, outside `if TYPE_CHECKING`"
            ) from error
        bare, extras = _split(annotation)
        marker = next((item for item in (parameter.default, *extras) if _is_marker(item)), None)
        if isinstance(marker, fastapi.params.Depends) and _is_check(marker.dependency):
            return Provided(_checking(marker.dependency))
        if isinstance(marker, fastapi.params.Depends) and marker.dependency is public_urls:
            return Provided(lambda run: run.urls)
        if isinstance(marker, fastapi.params.Depends | fastapi.params.Param):
            name = type(marker).__name__
            raise self._error(
                f"has parameter {parameter.name!r} with FastAPI's {name}, which works in API routes only. "
                f"Use `from fluxlit import {name}` for pages"
            )
        if isinstance(marker, DependsMarker):
            return self._needed(parameter, marker, bare)
        if isinstance(marker, InputMarker):
            return self._input(parameter, marker, annotation, bare)
        return self._provided(parameter, bare)

    def _resolve(self, annotation: Any) -> Any:
        if annotation is inspect.Parameter.empty:
            return Any
        scope = getattr(innermost(self.function), "__globals__", None)
        if scope is None:
            scope = vars(inspect.getmodule(self.function) or types.SimpleNamespace())
        holder: Any = types.SimpleNamespace(__annotations__={"value": annotation})
        return typing.get_type_hints(holder, scope, dict(self.names), include_extras=True)["value"]

    def _provided(self, parameter: inspect.Parameter, bare: Any) -> Source | None:
        try:
            provider = self.planner.providers.get(SessionStore if _session_class(bare) == "store" else bare)
        except TypeError:  # an annotation that cannot be a key provides nothing
            provider = None
        if provider is not None:
            return Provided(provider)
        if self._asks_for_session(parameter, bare):
            return self._needed(parameter, DependsMarker(page_session, use_cache=True), bare)
        if parameter.default is not inspect.Parameter.empty:
            return None
        guess = difflib.get_close_matches(parameter.name, NAMED, n=1)
        raise self._error(
            f"has parameter {parameter.name!r}, which nothing can fill"
            + (f" (did you mean {guess[0]!r}?)" if guess else "")
            + f". {self.planner.menu().removesuffix('.')}"
        )

    def _asks_for_session(self, parameter: inspect.Parameter, bare: Any) -> bool:
        if _session_class(bare) == "session":
            return True
        plain = (typing.get_origin(bare) or bare) in (Any, MutableMapping)
        return parameter.name == SESSION and plain and parameter.default is inspect.Parameter.empty

    def _needed(self, parameter: inspect.Parameter, marker: DependsMarker, bare: Any) -> Needed | Provided:
        dependency = marker.dependency or bare
        if _is_check(dependency):
            return Provided(_checking(dependency))
        if not callable(dependency) or dependency is Any:
            raise self._error(
                f"has parameter {parameter.name!r} with Depends() that names nothing to call. "
                f"Write Depends(function), or annotate the parameter with a class"
            )
        label = f"dependency {name_of(dependency)} of {self.label}"
        return Needed(self.planner.plan(dependency, label, self.names, self.chain), marker.use_cache)

    def _input(self, parameter: inspect.Parameter, marker: InputMarker, annotation: Any, bare: Any) -> Input:
        default = parameter.default
        if default is inspect.Parameter.empty or isinstance(default, InputMarker):
            default = marker.default
        whole = marker.place is InputPlace.QUERY and inspect.isclass(bare) and issubclass(bare, BaseModel)
        adapter = self._adapter(parameter, str if annotation is Any else annotation)
        if not whole and _has_fields(adapter):
            raise self._error(
                f"has parameter {parameter.name!r} with several values in one {marker.place.noun}. "
                f"Use a Pydantic model with Query(), or a parameter for each value"
            )
        name = "" if whole else marker.alias or parameter.name
        if marker.place is InputPlace.HEADER and not marker.alias:
            name = name.replace("_", "-")
        return Input(
            place=marker.place,
            name=name,
            parameter=parameter.name,
            adapter=adapter,
            default=default,
            lists=_list_fields(bare) if whole else frozenset({name} if _is_list(bare) else ()),
            description=marker.description,
        )

    def _adapter(self, parameter: inspect.Parameter, annotation: Any) -> TypeAdapter[Any]:
        try:
            return TypeAdapter(annotation)
        except (PydanticUserError, TypeError) as error:
            raise self._error(
                f"has parameter {parameter.name!r} with an annotation that Pydantic cannot validate: {error}"
            ) from error

    def _error(self, problem: str) -> PageError:
        return PageError(f"{self.where}: {self.label} {problem}.")


def _is_check(dependency: Any) -> TypeGuard[Requirement | Invitation]:
    return isinstance(dependency, Requirement | Invitation)


def _checking(dependency: Requirement | Invitation) -> Provider:
    return lambda run: dependency.check(run.user)


def _session_class(annotation: Any) -> str | None:
    """What an annotation stands for: `store`, `session` or neither."""
    name = f"{getattr(annotation, '__module__', '')}:{getattr(annotation, '__qualname__', '')}"
    return session_classes().get(name)


def _kind(function: Callable[..., Any]) -> Kind:
    target = innermost(function)
    if inspect.isasyncgenfunction(target):
        return Kind.YIELDS_ASYNC
    if inspect.isgeneratorfunction(target):
        return Kind.YIELDS
    return Kind.AWAITS if inspect.iscoroutinefunction(target) else Kind.RETURNS


def _is_marker(value: Any) -> bool:
    return isinstance(value, DependsMarker | InputMarker | fastapi.params.Depends | fastapi.params.Param)


def _split(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    if typing.get_origin(annotation) is Annotated:
        bare, *extras = typing.get_args(annotation)
        return bare, tuple(extras)
    return annotation, ()


def _is_list(annotation: Any) -> bool:
    bare, _ = _split(annotation)
    origin = typing.get_origin(bare) or bare
    if origin in (list, set, frozenset, tuple, Sequence):
        return True
    return any(_is_list(member) for member in typing.get_args(bare) if member is not ...) if _is_union(bare) else False


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def _has_fields(adapter: TypeAdapter[Any]) -> bool:
    """Whether only a mapping is valid, which no single text of a request is."""
    schema: Mapping[str, Any] = adapter.core_schema
    while schema["type"] in {"definitions", "default", "nullable"} or schema.get("root_model"):
        schema = schema["schema"]
    return schema["type"] in {"dict", "model", "dataclass", "typed-dict"}


def _list_fields(model: type[BaseModel]) -> frozenset[str]:
    fields = model.model_fields.items()
    names = ((name, field.alias, field) for name, field in fields if _is_list(field.annotation))
    return frozenset(key for name, alias, _ in names for key in (name, alias) if key)
