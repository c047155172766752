"""The pages of a login: nothing is executed, cached or framed."""

from fluxlit_auth.login.pages import page, question, redirect


def test_text_is_escaped() -> None:
    body = bytes(page(400, "<b>", "<script>", link=('/"><x>', "<i>")).body).decode()
    assert not [tag for tag in ("<b>", "<script>", "<x>", "<i>") if tag in body]


def test_responses_are_never_cached_or_framed() -> None:
    for response in (page(400, "a", "b"), question("a", "b", "/x", "c"), redirect("/x")):
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["referrer-policy"] == "no-referrer"


def test_every_cookie_is_a_header_of_its_own() -> None:
    response = redirect("/x", [b"a=1", b"b=2"])
    assert [value for name, value in response.raw_headers if name == b"set-cookie"] == [b"a=1", b"b=2"]
