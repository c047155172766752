"""`--check` of any content has findings and never a traceback."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fluxlit_deploy import generators
from fluxlit_deploy.options import EDGES, PLATFORMS, Options
from tests.deploy.projects import project

pytestmark = pytest.mark.slow

PROJECT = project(root_path="/portal")
FILES = {
    str(file.path): file.text
    for edge in EDGES
    for file in generators.generate(PROJECT, Options(compose=True, edge=edge))
}
FILES |= {
    str(file.path): file.text
    for platform in PLATFORMS
    for file in generators.generate(PROJECT, Options(kubernetes=True, platform=platform))
}
COMPOSE = yaml.safe_load(FILES["compose.yaml"])
TEXTS = sorted(path for path in FILES if path != "compose.yaml")

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from(["", "x", "a:b:c", "${X}", "1h1m", "redis", "/tmp"]),
    st.lists(st.sampled_from(["a", 5, None, "a:b", {"a": "b"}, {"type": "tmpfs"}]), max_size=3),
    st.dictionaries(
        st.sampled_from(["a", "app", "redis", 5, "condition"]), st.sampled_from([None, 5, "x", []]), max_size=2
    ),
)

WORDS = ["CMD", "FROM", "ENV", "USER", "EXPOSE", "ADD", "RUN \\", "COPY <<X", "!", "{", "}", "[", "\udcff"]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, each in value.items():
            yield from places(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from places(each, (*path, index))


PLACES = sorted(places(COMPOSE), key=str)
ELSEWHERE = [
    (name, place)
    for name in sorted(FILES)
    if name.endswith(".yaml") and name.startswith(("platform/", "kubernetes/"))
    for place in sorted(places(yaml.safe_load(FILES[name])), key=str)
]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A document with another value at a place."""
    if not path:
        return new
    if isinstance(value, dict):
        return {key: changed(each, path[1:], new) if key == path[0] else each for key, each in value.items()}
    return [changed(each, path[1:], new) if index == path[0] else each for index, each in enumerate(value)]


def check(files: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for path, text in files.items():
            place = Path(folder) / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text.encode("utf-8", "surrogateescape"))
        for each in generators.check(PROJECT, Path(folder)):
            assert str(each)


@settings(max_examples=120, deadline=None)
@given(place=st.sampled_from(PLACES), value=ODD)
def test_any_value_anywhere_in_a_compose_file(place: tuple[Any, ...], value: object) -> None:
    check({"compose.yaml": yaml.safe_dump(changed(COMPOSE, place, value))})


@settings(max_examples=150, deadline=None)
@given(where=st.sampled_from(ELSEWHERE), value=ODD)
@example(where=("kubernetes/overlays/dev/kustomization.yaml", ("images", 0)), value=None)
def test_any_value_anywhere_in_a_manifest_or_a_file_of_a_platform(where: tuple[str, Any], value: object) -> None:
    name, place = where
    check({name: yaml.safe_dump(changed(yaml.safe_load(FILES[name]), place, value))})


@pytest.mark.parametrize(
    "text", ["", "5", "[]", "a: b", "services:", "services: 5", "services: {a: }", "a: b\n---\nc: d", "\udcff"]
)
def test_any_compose_file(text: str) -> None:
    check({"compose.yaml": text})


@settings(max_examples=60, deadline=None)
@given(
    path=st.sampled_from(TEXTS),
    first=st.integers(0, 120),
    count=st.integers(0, 5),
    new=st.lists(
        st.text(max_size=30)
        | st.sampled_from(["CMD", "FROM", "ENV", "USER", "RUN \\", "!", "{", "}", "[", "\udcff", "COPY <<X"]),
        max_size=3,
    ),
)
def test_any_lines_in_any_other_file(path: str, first: int, count: int, new: list[str]) -> None:
    lines = FILES[path].splitlines()
    lines[first : first + count] = [each for each in new if "\x00" not in each]

    check(FILES | {path: "\n".join(lines)})
