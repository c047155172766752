"""Names of headers that only the gateway or a proxy may send."""

import pytest

from fluxlit._internal.header_names import is_from_proxy, is_own
from fluxlit_deploy.edges.headers import NAMES, OTHERS, PREFIXES, ROUTE


@pytest.mark.parametrize("name", [*NAMES, *OTHERS, *ROUTE, *(f"{prefix}anything" for prefix in PREFIXES)])
def test_headers_that_an_edge_removes_are_removed_by_the_gateway_too(name: str) -> None:
    """Two lists in two distributions, for the same proxies.

    Underscores count as hyphens.
    """
    assert is_from_proxy(name.lower().encode())
    assert is_from_proxy(name.lower().replace("-", "_").encode())


@pytest.mark.parametrize("name", [b"cookie", b"x-team", b"remote", b"x-request-id", b"user-agent", b"authorization"])
def test_other_headers_pass(name: bytes) -> None:
    assert not is_from_proxy(name)


def test_the_gateways_own_headers_are_known() -> None:
    assert is_own(b"x-fluxlit-user")
    assert is_own(b"x-forwarded-proto")
    assert not is_own(b"cookie")
