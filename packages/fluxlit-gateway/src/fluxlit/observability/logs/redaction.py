"""Redaction: replaces secrets in log records.

Replaced are, anywhere in a message, an argument or a traceback: values of query and form parameters with the name of a
session, a code, a token or a password; values of `Authorization`, `Cookie` and similar headers, and of such names in
dicts, lists and JSON; bearer and basic credentials; JSON Web Tokens; the password of a URL; Streamlit's session id in
an upload path, with which a client can take over the session. In uvicorn's own lines every value of a query is
replaced.

A filter on the handlers does it for every record. Names are judged generously: a value that is hidden without need
costs a look into the application, a value that was logged cannot be taken back.

Clients choose much of what is logged, so every search here is linear, and of a long string only `MOST` characters are
searched and logged.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from fluxlit._internal.tracebacks import format_exception

HIDDEN = "***"

MOST = 16_384
"""Characters of one string that are logged. Container runtimes split lines at 16 KiB."""

ACCESS = "fluxlit.access"
"""Logger of the access log, which redacts path and client before it makes a record."""

CLEAN = "_fluxlit_redacted"

# The whole of a name, after removing every character but letters. The second set is too common
# outside of URLs: a log field called "state" is hardly ever the one of a login.
_NAMES = frozenset({"sig", "sid", "otp", "pin", "pwd", "auth", "jwt", "xsrf"})
_URL_NAMES = _NAMES | {"code", "state", "nonce", "key", "ticket"}
_PARTS = re.compile(
    r"token|secret|passw|passphrase|session|credential|signature|apikey|accesskey|privatekey|authoriz|cookie|assertion"
    r"|codeverifier|fluxlitsid|csrf|onetime"
)
_NO_LETTER = re.compile(r"[^a-z]")
# Names from the settings, such as the parameter of a visitor's session.
_CHOSEN: set[str] = set()
# uvicorn logs the whole target of each request, and of each WebSocket.
_UVICORN = frozenset({"uvicorn.access", "uvicorn.error"})

_PARAMETER = re.compile(r"(?<=[?&;#])([^=&;#?\s\"'<>]+)=([^&;#\s\"'<>]+)")
_CREDENTIALS = re.compile(r"\b((?i:bearer|basic|digest))(\s+)(?=[a-z]*[^a-z\s])[A-Za-z0-9._~+/=-]{6,}")
_JWT = re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]+\.[\w=-]*")
_URL_PASSWORD = re.compile(r"(://[^/\s:@\"']*):([^/\s\"']*)@")
_UPLOAD = re.compile(r"(/_stcore/upload_file/)[^/\s\"'?]+")
# Streamlit's own messages: "Session with id ... is already connected", "logged-out session id ...".
_SESSION = re.compile(r"(?i)(\bsession (?:with )?(?:id:? )?)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# A name and its value: a header line, an item of a dict, of a list of pairs, of JSON, also of JSON within JSON.
_NAMED = re.compile(
    r"""(?<![\w-])(?P<name>[A-Za-z][\w-]{1,63})(?P<key>\\*["'])?\]?[ \t]*(?:=>|[:=,])[ \t]*"""
    r"""(?:b(?=["']))?(?P<quote>\\*["'])?"""
)
_HEADER = re.compile(r"(?i)(?:^|-)(?:authorization|cookie2?|x-api-key|x-auth-token|x-xsrftoken|x-csrf-token)\Z")
_QUOTED = {'"': re.compile(r'(?:[^"\\\r\n]|\\.)*'), "'": re.compile(r"(?:[^'\\\r\n]|\\.)*")}
_LINE = re.compile(r"[^\r\n]*")


def redact(text: str) -> str:
    """Replace every secret in a string with ``***``.

    The string may be a path with a query, a URL, a header line, a whole log line or a traceback.

    >>> redact("GET /callback?code=abc&page=2")
    'GET /callback?code=***&page=2'
    """
    text = shortened(text)
    text = _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", text)
    text = _PARAMETER.sub(_parameter, text)
    text = _UPLOAD.sub(rf"\1{HIDDEN}", text)
    text = _SESSION.sub(rf"\1{HIDDEN}", text)
    text = _without_named(text)
    text = _CREDENTIALS.sub(rf"\1\2{HIDDEN}", text)
    return _JWT.sub(HIDDEN, text)


def shortened(text: str, most: int = MOST) -> str:
    """Return the beginning and the last lines of a long string.

    A line is never kept without its beginning: the name of a secret could be there.
    """
    if len(text) <= most:
        return text
    half = most // 2
    tail = text[-half:].partition("\n")[2]
    return f"{text[:half]}... ({len(text) - half - len(tail)} characters left out)" + (f"\n{tail}" if tail else "")


def _without_named(text: str) -> str:
    """Hide the values of headers, and those of other secrets in items."""
    parts: list[str] = []
    at = 0
    while found := _NAMED.search(text, at):
        begin = found.end()
        parts.append(text[at:begin])
        at = _end_of_secret(text, found)
        if at > begin:
            parts.append(HIDDEN)
    return "".join([*parts, text[at:]])


def _end_of_secret(text: str, found: re.Match[str]) -> int:
    """Where the value after a name ends; where it begins, if it is no secret.

    A quoted one ends at the closing quote. A header's value without quotes ends with the line, and so does a list.
    """
    name, quote, begin = found["name"], found["quote"], found.end()
    is_header = _HEADER.search(name) is not None
    if quote:
        return _end_of_quoted(text, quote, begin) if is_header or is_secret_name(name) else begin
    in_brackets = found["key"] and text[begin : begin + 1] in ("[", "{", "(") and is_secret_name(name)
    if not (is_header or in_brackets):
        return begin
    return _end(_LINE, text, begin)


def _end_of_quoted(text: str, quote: str, begin: int) -> int:
    if quote in _QUOTED:
        return _end(_QUOTED[quote], text, begin)
    # Escaped quotes, as JSON within JSON has them. The whole line is not searched for each of them.
    closing = text.find(quote, begin)
    return closing if closing >= 0 and "\n" not in text[begin:closing] else _end(_LINE, text, begin)


def _end(pattern: re.Pattern[str], text: str, begin: int) -> int:
    found = pattern.match(text, begin)
    return found.end() if found else begin


def redact_query(target: str) -> str:
    """Replace every value in the query of a path, of any name.

    Only the application knows their meaning.

    >>> redact_query("/callback?c=abc&page=2")
    '/callback?c=***&page=***'
    """
    path, mark, query = target.partition("?")
    if not mark:
        return target
    names = [part.partition("=")[0] if "=" in part else HIDDEN for part in query.split("&") if part]
    return f"{path}?" + "&".join(name if name == HIDDEN else f"{name}={HIDDEN}" for name in names)


def redact_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return headers with secret values replaced, in the same order."""
    return [(name, HIDDEN if is_secret_name(name) else redact(value)) for name, value in headers]


def redact_value(name: str, value: Any) -> Any:
    """Return the value of a structured log field without secrets.

    A list of two is an item of a list of headers, as well as a list.
    """
    if value is not None and not isinstance(value, (bool, int, float)) and is_secret_name(name):
        return HIDDEN
    if isinstance(value, (str, bytes)):
        return redact(_text(value))
    if isinstance(value, Mapping):
        return {str(key): redact_value(str(key), inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        if len(value) == len(("name", "value")) and isinstance(value[0], (str, bytes)):
            return [redact_value(name, value[0]), redact_value(f"{name} {_text(value[0])}", value[1])]
        return [redact_value(name, inner) for inner in value]
    return value


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def hide_parameter(name: str) -> None:
    """Let the values of one more query parameter be secrets in this process."""
    _CHOSEN.add(name)


def is_secret_name(name: str) -> bool:
    """Say whether a header or a log field of this name holds a secret."""
    bare = _bare(name)
    return bare in _NAMES or _PARTS.search(bare) is not None


def _bare(name: str) -> str:
    return _NO_LETTER.sub("", name.lower())


def _parameter(match: re.Match[str]) -> str:
    name = unquote(match[1])
    secret = name in _CHOSEN or _bare(name) in _URL_NAMES or is_secret_name(name)
    return f"{match[1]}={HIDDEN}" if secret else match[0]


class RedactionFilter(logging.Filter):
    """Removes secrets from each record that passes; it never drops one."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact message, arguments and traceback of a record in place."""
        if is_clean(record):
            return True
        setattr(record, CLEAN, True)
        # The text is left alone while it is a template: "?code=%s" must keep its place for the argument.
        record.args = self._arguments(record.args)
        if record.name in _UVICORN and isinstance(record.args, tuple):
            record.args = tuple(_target(each) for each in record.args)
        if record.name != "uvicorn.access":  # its formatter takes the arguments apart, so they have to stay
            self._whole_message(record)
        if record.exc_text is None and record.exc_info and record.exc_info[1] is not None:
            record.exc_text = format_exception(record.exc_info[1])
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True

    @staticmethod
    def _arguments(arguments: Any) -> Any:
        if isinstance(arguments, Mapping):
            return {name: _argument(value) for name, value in arguments.items()}
        return tuple(_argument(value) for value in arguments) if isinstance(arguments, tuple) else arguments

    @staticmethod
    def _whole_message(record: logging.LogRecord) -> None:
        """Redact the formatted message, as in ``"Authorization: %s"``."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            return  # arguments do not fit the text: logging itself reports that
        clean = redact(message)
        if clean != message:
            record.msg, record.args = clean, ()


def is_clean(record: logging.LogRecord) -> bool:
    """Whether message and traceback of a record have been redacted."""
    return record.name == ACCESS or CLEAN in vars(record)


def _target(value: Any) -> Any:
    return redact_query(value) if isinstance(value, str) and value.startswith("/") else value


def _argument(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = str(value)
    clean = redact(text)
    return value if clean == text else clean
