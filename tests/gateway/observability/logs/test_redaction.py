"""No secret reaches a log line, in any form."""

import logging
from collections.abc import Callable

import pytest

from fluxlit.observability.logs import RedactionFilter, redact, redact_headers
from fluxlit.observability.logs.redaction import redact_value

SECRET = "s3cr3t-Value.x9"

HIDDEN = [
    f"GET /callback?code={SECRET}&page=2 HTTP/1.1",
    f"/?fluxlit_sid={SECRET}",
    f"/?a=1&session={SECRET}#x",
    f"/#access_token={SECRET}&token_type=bearer",
    f"/?%63ode={SECRET}",
    f"/?a=1;ACCESS_TOKEN={SECRET}",
    f"/?client_secret={SECRET}&password={SECRET}&api-key={SECRET}&X-Amz-Signature={SECRET}&state={SECRET}",
    f"wss://host/_stcore/stream?streamlit_token={SECRET}",
    f"Authorization: Bearer {SECRET}",
    f"authorization: {SECRET}",
    f"Proxy-Authorization=Basic {SECRET}",
    f"Cookie: a=1; session={SECRET}",
    f"Set-Cookie: sid={SECRET}; HttpOnly",
    f"{{'cookie': 'a={SECRET}', 'host': 'x'}}",
    f'{{"Authorization": "Bearer {SECRET}"}}',
    f"[(b'cookie', b'a={SECRET}'), (b'host', b'x')]",
    f"refused Bearer {SECRET} for /",
    f"redis://:{SECRET}@cache:6379/0",
    f"connecting to https://me:{SECRET}@host/path",
    f"/apps/x/_stcore/upload_file/{SECRET}/file-1",
    f"X-Api-Key: {SECRET}",
    f"{{'authorization': 'Bearer {SECRET}', 'cookie': 'sid={SECRET}'}}",
    f"Headers({{'host': 'x', 'cookie': 'sid=\\'{SECRET}', 'authorization': '{SECRET}'}})",
    f"[(b'authorization', b'{SECRET}'), (b'host', b'x'), (b'cookie', b'a={SECRET}')]",
    f'{{"cookie": "a=\\"{SECRET}", "password": "{SECRET}", "host": "x"}}',
    f'"{{\\"authorization\\": \\"Bearer {SECRET}\\", \\"cookie\\": \\"{SECRET}\\"}}"',
    f"{{'cookie': ['a=1', 'b={SECRET}'], 'access_token': ['{SECRET}']}}",
    f"{{'HTTP_COOKIE': 'a={SECRET}', 'client_secret': '{SECRET}'}}",
    f"Login(token='{SECRET}', name='ada')",
    f"Cookie: ***; sid={SECRET}",
    f"refused eyJhbGciOiJIUzI1NiJ9.{SECRET}",
]

KEPT = [
    "GET /orders?page=2&sort=name HTTP/1.1",
    "GET /a?q=http://example.com/",
    "Application startup complete.",
    "basic information about the cookie policy",
    "Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)",
    "/_stcore/stream",
    "mailto:ada@example.com",
]


@pytest.mark.parametrize("text", HIDDEN)
def test_a_secret_is_hidden(text: str) -> None:
    assert SECRET not in redact(text)
    assert "***" in redact(text)


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("text", [*HIDDEN, *KEPT])
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)


def test_what_surrounds_a_secret_stays() -> None:
    assert redact("GET /cb?code=abc&page=2 HTTP") == "GET /cb?code=***&page=2 HTTP"
    assert redact("redis://user:pw@cache:6379/0") == "redis://user:***@cache:6379/0"
    assert redact("Cookie: a=b\nHost: x") == "Cookie: ***\nHost: x"
    assert redact("{'cookie': 'a=b', 'host': 'x'}") == "{'cookie': '***', 'host': 'x'}"


def test_headers_keep_their_order_and_their_duplicates() -> None:
    headers = [("Set-Cookie", "a=1"), ("Referer", "http://h/?code=1"), ("Set-Cookie", "b=2"), ("Host", "h")]
    assert redact_headers(headers) == [
        ("Set-Cookie", "***"),
        ("Referer", "http://h/?code=***"),
        ("Set-Cookie", "***"),
        ("Host", "h"),
    ]


PLAIN = f"?code={SECRET}"


def emit(log: Callable[[logging.Logger], None]) -> str:
    """Return what one call writes through a handler with the filter."""
    logger = logging.Logger("test")  # noqa: LOG001  (one of its own, that no other test sees)
    lines: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Collect()
    handler.addFilter(RedactionFilter())
    logger.addHandler(handler)
    log(logger)
    return "\n".join(lines)


def fail(logger: logging.Logger) -> None:
    try:
        int(f"https://me:{SECRET}@host")
    except ValueError:
        logger.exception("failed")


@pytest.mark.parametrize(
    "log",
    [
        lambda logger: logger.info(PLAIN),
        lambda logger: logger.info("path %s", f"/?code={SECRET}"),
        lambda logger: logger.info("/?code=%s&page=%d", SECRET, 2),
        lambda logger: logger.info("Authorization: %s", SECRET),
        lambda logger: logger.info("%(path)s", {"path": f"/?code={SECRET}"}),
        lambda logger: logger.info("%s", ValueError(f"/?code={SECRET}")),
        lambda logger: logger.info(ValueError(f"/?code={SECRET}")),
        fail,
    ],
)
def test_the_filter_hides_a_secret_wherever_it_stands_in_a_record(log: Callable[[logging.Logger], None]) -> None:
    written = emit(log)
    assert "***" in written
    assert SECRET not in written


def test_the_filter_leaves_numbers_to_their_format() -> None:
    assert emit(lambda logger: logger.info("%d %.2f %s", 5, 1.5, None)) == "5 1.50 None"


def test_a_call_with_wrong_arguments_reports_itself_and_harms_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler()
    handler.addFilter(RedactionFilter())
    logger = logging.Logger("test")  # noqa: LOG001  (one of its own, that no other test sees)
    logger.addHandler(handler)
    logger.info("%s %s", *range(1))
    assert "not enough arguments" in capsys.readouterr().err


def test_streamlits_own_messages_do_not_tell_the_id_of_a_session() -> None:
    secret = "0f8fad5b-d9cb-469f-a165-70867728950e"
    for text in (
        f"Session with id {secret} is already connected! Reconnecting to existing session.",
        f"Ignoring reconnect to active session id {secret}: user identity mismatch.",
        f"Dropped logout close for session {secret} because the event loop is closed.",
    ):
        assert secret not in redact(text)
        assert "***" in redact(text)


def test_of_a_long_string_only_the_beginning_and_the_last_lines_stay() -> None:
    clean = redact("first\n" + "x" * 100_000 + f"\nCookie: a={SECRET}\nlast")
    assert len(clean) < 20_000
    assert clean.startswith("first\n")
    assert clean.endswith("\nCookie: ***\nlast")
    assert SECRET not in redact("Cookie: " + "a" * 100_000 + SECRET)


def test_structured_values_lose_every_secret() -> None:
    headers = [(b"cookie", b"a=1"), (b"host", b"x"), ["Authorization", "Bearer abc"]]
    clean = redact_value("headers", {"raw": headers, "Cookie": "a=1", "retries": 3})
    assert clean == {
        "raw": [["cookie", "***"], ["host", "x"], ["Authorization", "***"]],
        "Cookie": "***",
        "retries": 3,
    }
