"""A misspelt or wrong option of a page is refused, never ignored."""

from __future__ import annotations

from typing import Any

import pytest

from fluxlit import FluxLit, PageError
from fluxlit.users import require_roles


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"role": {"admin"}}, "page '/admin' has no option 'role': did you mean 'roles'?"),
        ({"titel": "x"}, "did you mean 'title'?"),
        ({"zzz": 1}, "there are title, icon"),
        ({"public": "yes"}, "public='yes' must be True or False"),
        ({"hidden": 1}, "hidden=1 must be True or False"),
        ({"default": None}, "default=None must be True or False"),
        ({"title": 3}, "title=3 must be a string"),
        ({"order": "first"}, "order='first' must be a number"),
        ({"order": True}, "order=True must be a number"),
        ({"roles": "admin"}, "roles={'admin'}"),
        ({"roles": {"admin": 1}}, "must be a set of strings"),
        ({"roles": [1]}, "must be a set of strings"),
        ({"roles": None}, "must be a set of strings"),
        ({"tags": "a"}, "tags={'a'}"),
    ],
)
def test_refused(options: dict[str, Any], words: str) -> None:
    app = FluxLit()
    with pytest.raises(PageError) as caught:
        app.page("/admin", **options)(lambda: None)
    assert words in str(caught.value)
    assert "test_options.py:" in str(caught.value)
    assert not len(app.pages)


def test_a_decorator_without_a_path() -> None:
    def orders() -> None: ...

    app: Any = FluxLit()
    message = r"test_options\.py:\d+: @app\.page needs a path: write @app\.page\('/orders'\)"
    with pytest.raises(PageError, match=message):
        app.page(orders)


def test_roles_are_names() -> None:
    wrong: Any = {"admin"}
    with pytest.raises(TypeError, match="takes names"):
        require_roles(wrong)
