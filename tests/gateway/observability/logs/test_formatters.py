"""One JSON object a line, or one line for people."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from fluxlit.observability.current_request import REQUEST_ID
from fluxlit.observability.logs import JsonLogFormatter, TerminalLogFormatter


def record(message: object = "hello", *args: object, name: str = "app", **extra: Any) -> logging.LogRecord:
    made = logging.getLogger(name).makeRecord(name, logging.WARNING, "", 0, message, args, None, extra=extra)
    made.created, made.msecs = 1_700_000_000.25, 250.0
    return made


def failing(made: logging.LogRecord) -> logging.LogRecord:
    try:
        int("https://me:hunter2@host")
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


def read(made: logging.LogRecord) -> dict[str, Any]:
    line = JsonLogFormatter().format(made)
    assert line.splitlines() == [line]
    assert all(character.isprintable() for character in line)
    parsed = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert isinstance(parsed, dict)
    return parsed


def test_a_json_line_has_time_level_logger_and_message() -> None:
    assert read(record("%s users", 5)) == {
        "timestamp": "2023-11-14T22:13:20.250Z",
        "level": "warning",
        "logger": "app",
        "message": "5 users",
    }


def test_a_json_line_has_what_was_passed_as_extra() -> None:
    found = read(record(status=200, seconds=0.5, path="/?code=x", headers={"Cookie": "a=b", "Host": "h"}, level="mine"))
    assert found["status"] == 200
    assert found["seconds"] == 0.5
    assert found["path"] == "/?code=***"
    assert found["headers"] == {"Cookie": "***", "Host": "h"}
    assert found["level"] == "warning"


@pytest.mark.parametrize("value", [float("inf"), float("nan"), object(), b"x", {1: {2, 3}}, datetime.now(UTC)])
def test_any_extra_value_gives_valid_json(value: object) -> None:
    assert "odd" in read(record(odd=value))


def test_a_json_line_holds_a_traceback_on_its_one_line_without_secrets() -> None:
    found = read(failing(record("failed")))
    assert found["exception"].startswith("Traceback")
    assert "hunter2" not in found["exception"]


def test_newlines_do_not_break_a_json_line() -> None:
    assert read(record("a\nb\u2028c"))["message"] == "a\nb\u2028c"


def test_uvicorns_access_line_yields_its_parts() -> None:
    line = '%s - "%s %s HTTP/%s" %d'
    found = read(record(line, "1.2.3.4:5", "GET", "/?token=x", "1.1", 200, name="uvicorn.access"))
    assert (found["client"], found["method"], found["path"], found["status"]) == (
        "1.2.3.4:5",
        "GET",
        "/?token=***",
        200,
    )
    assert found["message"] == '1.2.3.4:5 - "GET /?token=*** HTTP/1.1" 200'


def test_a_terminal_line_is_for_people() -> None:
    line = TerminalLogFormatter().format(record("%s users", 5, status=200, odd=object()))
    assert line.split(" ", 1)[1] == "WARNING  app  5 users  status=200"


def test_colours_only_if_asked() -> None:
    assert "\x1b" not in TerminalLogFormatter().format(record())
    assert "\x1b[33mWARNING" in TerminalLogFormatter(colour=True).format(record())


def test_nothing_that_a_client_sends_looks_like_a_line_of_its_own() -> None:
    line = TerminalLogFormatter().format(record("agent %s", "x\r\n12:00:00 INFO all is well\x1b[2J"))
    assert line.splitlines()[1:] == ["    12:00:00 INFO all is well\\x1b[2J"]
    assert "\r" not in line


ODD = [*range(32), *range(0x7F, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xD800, 0xDFFF]


@pytest.mark.parametrize("character", list(map(chr, ODD)), ids=list(map(hex, ODD)))
def test_no_character_of_a_client_ends_a_line_or_steers_a_terminal(character: str) -> None:
    """U+009B begins a command of a terminal, U+202E turns what follows around."""
    found = read(record("path %s", f"/a{character}b", path=f"{character}c"))
    assert (found["message"], found["path"]) == (f"path /a{character}b", f"{character}c")
    line = TerminalLogFormatter().format(record("path %s", f"/a{character}b"))
    assert character in "\n\t" or character not in line
    assert len(line.splitlines()) == (2 if character == "\n" else 1)
    assert line.encode()


def test_a_traceback_is_indented_and_without_secrets() -> None:
    lines = TerminalLogFormatter().format(failing(record("failed"))).splitlines()
    assert lines[1] == "    Traceback (most recent call last):"
    assert "hunter2" not in "".join(lines)


def test_a_line_with_a_traceback_has_the_id_that_the_page_with_the_error_names() -> None:
    before = REQUEST_ID.set("r-1")
    try:
        assert "failed  request_id=r-1\n" in TerminalLogFormatter().format(failing(record("failed")))
        assert "r-1" not in TerminalLogFormatter().format(record("fine"))
        assert TerminalLogFormatter().format(failing(record("failed", request_id="r-2"))).count("request_id=") == 1
    finally:
        REQUEST_ID.reset(before)
