"""Keeping secrets out of the log.

What is replaced, wherever it stands in a line: the values of query and form parameters that name
a session, a code, a token or a password; everything after `Authorization`, `Cookie` and their kin;
bearer and basic credentials; the password of a URL; Streamlit's session id in an upload path, because
whoever knows it can take over the session. In uvicorn's own lines every value of a query is replaced.

A filter on the handlers does it for every record, including uvicorn's access line. Names are judged
generously: a value hidden without need costs a look into the application, a value shown cannot be taken back.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

HIDDEN = "***"

# The whole of a name, after removing every character but letters. The second set is too common
# outside of URLs: a log field called "state" is hardly ever the one of a login.
_NAMES = frozenset({"sig", "sid", "otp", "pin", "pwd", "auth", "jwt", "xsrf"})
_URL_NAMES = _NAMES | {"code", "state", "nonce", "key", "ticket"}
_PARTS = re.compile(
    r"token|secret|passw|passphrase|session|credential|signature|apikey|accesskey|privatekey|authoriz|cookie|assertion"
    r"|codeverifier|fluxlitsid|csrf|onetime"
)
# What the settings name, such as the parameter of a visitor's session.
_CHOSEN: set[str] = set()
# uvicorn tells the whole target of each request, and of each WebSocket.
_UVICORN = frozenset({"uvicorn.access", "uvicorn.error"})
_HEADERS = r"(?:proxy-)?authorization|(?:set-)?cookie2?|x-api-key|x-auth-token|x-xsrftoken|x-csrf-token"

_PARAMETER = re.compile(r"(?<=[?&;#])([^=&;#?\s\"'<>]+)=([^&;#\s\"'<>]+)")
_HEADER = re.compile(rf"""(?i)\b({_HEADERS})(["']?\s*(?:[:=,]\s*(?:b(?=["']))?|\]\s*=\s*))(["']?)([^\r\n]+)""")
_CREDENTIALS = re.compile(r"\b((?i:bearer|basic|digest))(\s+)(?=[a-z]*[^a-z\s])[A-Za-z0-9._~+/=-]{6,}")
_URL_PASSWORD = re.compile(r"(://[^/\s:@\"']*):([^/\s\"']*)@")
_UPLOAD = re.compile(r"(/_stcore/upload_file/)[^/\s\"'?]+")
# Streamlit's own messages: "Session with id ... is already connected", "logged-out session id ...".
_SESSION = re.compile(r"(?i)(\bsession (?:with )?(?:id:? )?)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_WORTH_A_LOOK = re.compile(r"(?i)[?&;#][^=\s]+=|://|upload_file|\bsession |bearer|basic|digest|" + _HEADERS)


def redact(text: str) -> str:
    """Replace every secret in a text with ``***``.

    The text may be a path with a query, a URL, a header line, a whole log line or a traceback.

    >>> redact("GET /callback?code=abc&page=2")
    'GET /callback?code=***&page=2'
    """
    if not _WORTH_A_LOOK.search(text):
        return text
    text = _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", text)
    text = _PARAMETER.sub(_parameter, text)
    text = _UPLOAD.sub(rf"\1{HIDDEN}", text)
    text = _SESSION.sub(rf"\1{HIDDEN}", text)
    text = _HEADER.sub(_header, text)
    return _CREDENTIALS.sub(rf"\1\2{HIDDEN}", text)


def redact_query(target: str) -> str:
    """Replace every value in the query of a path, whatever its name: only the application knows what it stands for.

    >>> redact_query("/callback?c=abc&page=2")
    '/callback?c=***&page=***'
    """
    path, mark, query = target.partition("?")
    if not mark:
        return target
    names = [part.partition("=")[0] if "=" in part else HIDDEN for part in query.split("&") if part]
    return f"{path}?" + "&".join(name if name == HIDDEN else f"{name}={HIDDEN}" for name in names)


def redact_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers with secret values replaced; order and duplicates stay."""
    return [(name, HIDDEN if is_secret_name(name) else redact(value)) for name, value in headers]


def redact_value(name: str, value: Any) -> Any:
    """Return the value of a structured log field without secrets, judged by its name and its content."""
    if value is not None and not isinstance(value, (bool, int, float)) and is_secret_name(name):
        return HIDDEN
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {str(key): redact_value(str(key), inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_value(name, inner) for inner in value]
    return value


def hide_parameter(name: str) -> None:
    """Let the values of one more query parameter be secrets in this process."""
    _CHOSEN.add(name)


def is_secret_name(name: str) -> bool:
    """Say whether a header or a log field of this name holds a secret."""
    bare = _bare(name)
    return bare in _NAMES or _PARTS.search(bare) is not None


def _bare(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _parameter(match: re.Match[str]) -> str:
    name = unquote(match[1])
    secret = name in _CHOSEN or _bare(name) in _URL_NAMES or is_secret_name(name)
    return f"{match[1]}={HIDDEN}" if secret else match[0]


def _header(match: re.Match[str]) -> str:
    """Hide a header's value: up to the closing quote where it is quoted, else up to the end of the line."""
    name, separator, quote, value = match.groups()
    rest = value[value.index(quote) :] if quote and quote in value else ""
    return f"{name}{separator}{quote}{HIDDEN}{rest}"


class RedactionFilter(logging.Filter):
    """Removes secrets from each record that passes; it never drops one."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact message, arguments and traceback of a record in place."""
        # The text is left alone while it is a template: "?code=%s" must keep its place for the argument.
        record.args = self._arguments(record.args)
        if record.name in _UVICORN and isinstance(record.args, tuple):
            record.args = tuple(_target(each) for each in record.args)
        if record.name != "uvicorn.access":  # its formatter takes the arguments apart, so they have to stay
            self._whole_message(record)
        if record.exc_text is None and record.exc_info and record.exc_info[1] is not None:
            record.exc_text = "".join(traceback.format_exception(record.exc_info[1])).rstrip()
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
        """Catch a secret that shows only when text and arguments come together: ``"Authorization: %s"``."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError):
            return  # arguments do not fit the text: logging itself reports that
        clean = redact(message)
        if clean != message:
            record.msg, record.args = clean, ()


def _target(value: Any) -> Any:
    return redact_query(value) if isinstance(value, str) and value.startswith("/") else value


def _argument(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = str(value)
    clean = redact(text)
    return value if clean == text else clean
