"""Tracebacks begin with the user's code."""

from __future__ import annotations

import contextlib
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.datastructures import URL

from fluxlit._internal.tracebacks import describe, format_exception, is_framework, place_of
from fluxlit.pages import registry


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "app.py"


def raised(script: Path, source: str) -> BaseException:
    script.write_text(source)
    with pytest.raises(Exception) as caught:
        runpy.run_path(str(script))
    return caught.value


def test_only_the_users_frames_are_left(script: Path) -> None:
    """Also in the cause.

    Python's contextlib and an installed framework stand between.
    """
    error = raised(
        script,
        "from contextlib import ExitStack\nfrom starlette.datastructures import URL\n"
        "def ask():\n    return URL(scope={}, path='x')\n"
        "def run():\n    with ExitStack() as stack:\n        stack.callback(ask)\n"
        "try:\n    run()\nexcept Exception as error:\n    raise ValueError('outer') from error\n",
    )
    text = format_exception(error)
    assert "starlette" not in text
    assert "contextlib" not in text
    assert f'File "{script}", line 4, in ask' in text
    assert text.endswith("ValueError: outer")


def test_a_traceback_of_frameworks_alone_is_kept() -> None:
    with pytest.raises(AssertionError) as caught:
        URL("x", scope={})
    caught.value.__traceback__ = caught.tb.tb_next  # without this test
    assert "datastructures.py" in format_exception(caught.value)


def test_one_line_names_error_and_place(script: Path) -> None:
    error = raised(script, "import json\n\njson.loads('{')\n")
    assert describe(error).startswith("JSONDecodeError: ")
    assert describe(error).endswith(" (app.py:3)")
    assert place_of(raised(script, "def f(:\n")) == (str(script), 1)
    assert describe(RuntimeError("two\nlines")) == "RuntimeError: two"


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (registry.__file__, True),
        (contextlib.__file__, True),
        ("/x/lib/python3.11/site-packages/fastapi/routing.py", True),
        ("/x/lib/python3.11/site-packages/pandas/core.py", False),
        ("/home/ada/fastapi/app.py", False),
    ],
)
def test_frameworks(file: str, expected: bool) -> None:
    assert is_framework(file) is expected


def test_groups_of_exceptions() -> None:
    @contextlib.contextmanager
    def failing() -> Iterator[None]:
        yield
        raise RuntimeError("inner")

    def enter() -> None:
        with failing():
            pass

    with pytest.raises(RuntimeError) as caught:
        contextlib.ExitStack().enter_context(contextlib.nullcontext(enter))()
    assert "contextlib.py" not in format_exception(ExceptionGroup("several", [caught.value]))
