"""The scope of a request on its way to an API worker."""

from __future__ import annotations

from typing import Any

import pytest

from fluxlit._internal.asgi import Scope
from fluxlit.auth.contract import USER, User
from fluxlit.worker.scope_header import restored_scope, with_scope_header

SEEN: Scope = {
    "type": "http",
    "http_version": "1.0",
    "scheme": "https",
    "root_path": "/shop/api",
    "client": ("2001:db8::1", 4711),
    "server": ("/run/gate.sock", None),
    "headers": [(b"host", b"shop.example"), (b"x-request-id", b"1")],
}

RELAYED: Scope = {
    "type": "http",
    "http_version": "1.1",
    "scheme": "http",
    "root_path": "",
    "client": None,
    "server": ("/w.sock", None),
}


def relayed(scope: Scope) -> Scope | None:
    return restored_scope({**RELAYED, "headers": with_scope_header(scope)["headers"]})


def test_all_that_http_does_not_carry_is_restored() -> None:
    user = User("ada", "https://issuer.example", name="Ä", roles=frozenset({"a", "b"}), claims={"x": [1, "ü"]})
    assert relayed({**SEEN, USER: user}) == {**SEEN, USER: user}


@pytest.mark.parametrize("name", [b"x-fluxlit-user", b"x-fluxlit-scope", b"x_fluxlit_user", b"x-fluxlit_scope"])
def test_what_a_page_sends_in_such_headers_is_dropped(name: bytes) -> None:
    forged: Any = [*SEEN["headers"], (name, b"e30=")]
    assert relayed({**SEEN, "headers": forged}) == SEEN


def test_a_request_without_the_header_is_not_from_a_client() -> None:
    assert restored_scope({**RELAYED, "headers": []}) is None
