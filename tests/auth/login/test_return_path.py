"""Where a login leads back to.

A path of the application, however it is spelled, and nothing else.
"""

import pytest

from fluxlit_auth.login.return_path import return_path

OPEN_REDIRECTS = [
    "//evil.test",
    "///evil.test",
    "////evil.test/",
    "/\\evil.test",
    "\\/evil.test",
    "\\\\evil.test",
    "/%5cevil.test",
    "/%2fevil.test",
    "/%2F%2Fevil.test",
    "/%252fevil.test",
    "/%09/evil.test",
    "/\t/evil.test",
    "/\n/evil.test",
    "/\r\nset-cookie: a=b",
    "/%0d%0aset-cookie:a=b",
    "https://evil.test",
    "HTTPS:evil.test",
    "https:/evil.test",
    "javascript:alert(1)",
    "data:text/html,x",
    "user@evil.test",
    "@evil.test",
    ".evil.test",
    " //evil.test",
    "/ /evil.test",
    "/..//evil.test",
    "/./%2e%2e//evil.test",
    "/\u2044evil.test",
    "/%zz",
    "/\x00",
    "",
    "evil",
    "?a=b",
    "#a",
    "/a#b",
    "/" + "a" * 3000,
]


@pytest.mark.parametrize("wanted", OPEN_REDIRECTS)
def test_nothing_else_is_followed(wanted: str) -> None:
    """ASVS 3.7.2, RFC 9700 4.11: no open redirect."""
    assert return_path(wanted, "") == "/"
    assert return_path(wanted, "/apps/one") == "/apps/one/"


@pytest.mark.parametrize(
    "wanted", ["/", "/admin", "/admin?tab=1&x=[a]|{b}", "/a/b/", "/gr%C3%BC%C3%9Fe", "/a?next=//evil.test", "/a@b:c"]
)
def test_paths_of_the_application_are_kept(wanted: str) -> None:
    assert return_path(wanted, "") == wanted
    assert return_path(f"/apps/one{wanted}", "/apps/one") == f"/apps/one{wanted}"


def test_a_backslash_in_a_query_is_kept_in_a_form_that_leads_nowhere_else() -> None:
    assert return_path("/orders?path=C:\\temp", "") == "/orders?path=C:%5Ctemp"


@pytest.mark.parametrize("wanted", ["/", "/other", "/apps/one-more", "/apps/one/../two", "/apps/one/%2e%2e/two"])
def test_other_applications_of_the_host_are_not_led_to(wanted: str) -> None:
    assert return_path(wanted, "/apps/one") == "/apps/one/"


def test_without_a_wish_it_is_the_start_page() -> None:
    assert return_path(None, "/apps/one") == "/apps/one/"
