"""Claims: roles in every shape, verified email addresses."""

from typing import Any

import pytest

from fluxlit_auth.claims import email, roles

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("claims", "paths", "expected"),
    [
        ({"https://example.com/roles": ["a"]}, ("https://example.com/roles",), ("a",)),
        ({"a": {"b.c": {"d": "x"}}}, ("a.b.c.d",), ("x",)),
        ({"a": {"b": ["x"]}, "a.b": ["y"]}, ("a.b",), ("y",)),
        ({"roles": {"admin": {"org": "1"}}}, ("roles",), ("admin",)),
        ({"roles": ["a", 1, None, "", ["b"]]}, ("roles",), ("a",)),
        ({"roles": 7, "a": "text"}, ("roles", "a.b", "missing"), ()),
    ],
)
def test_roles_are_found_in_every_shape(claims: Any, paths: Any, expected: Any) -> None:
    assert roles(claims, paths) == expected


@pytest.mark.parametrize(("verified", "expected"), [(True, "a@b"), (None, "a@b"), (False, None), ("false", None)])
def test_an_address_that_nobody_has_verified_is_none(verified: Any, expected: str | None) -> None:
    assert email({"email": "a@b", "email_verified": verified}) == expected
