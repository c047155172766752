"""Validators: each returns the value or raises ValueError.

The message of a ValueError completes a sentence that starts with the name of the setting, "root_path must start with
a slash". It never repeats a value that could hold a password.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

# RFC 3986 section 2.3, the unreserved characters. A path of them is the same encoded and decoded, so an edge proxy,
# the browser and Streamlit's base path cannot disagree about it.
_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")

# Streamlit's own top-level routes; an API below one of them would hide the UI.
STREAMLIT_ROUTES = ("/_stcore", "/static", "/media", "/component")

# Routes of Streamlit that the gateway closes unless an operator opens them.
MIN_SECRET = 32
OPENABLE_ROUTES = ("metrics", "script-health-check", "agent")

# Python's codec maps them (IDNA 2003), browsers keep them (UTS 46, non-transitional).
_AMBIGUOUS = "\u00df\u03c2\u200c\u200d"

# The only Streamlit option with a table as its value.
_TABLE_OPTIONS = frozenset({"server.trustedUserHeaders"})

# Arguments of `st.set_page_config` that all pages of an application may share.
_PAGE_CONFIG = ("layout", "initial_sidebar_state", "page_icon", "menu_items")
_MENU_ITEMS = ("Get help", "Report a bug", "About")


def mount_path(value: str) -> str:
    """Check a URL prefix: ``""`` or ``/a[/b]``."""
    if value == "":
        return value
    if not value.startswith("/"):
        raise ValueError(f'must start with a slash: write "/{value.strip("/")}"')
    if value.endswith("/"):
        bare = value.rstrip("/")
        raise ValueError(f'must not end with a slash: write "{bare}"')
    for segment in value[1:].split("/"):
        if segment in {".", ".."} or not _SEGMENT.fullmatch(segment):
            raise ValueError(
                f'has the path segment "{segment}": each segment needs at least one of the characters '
                f"A-Z a-z 0-9 . _ ~ - and must not be a dot segment"
            )
    return value


MEMORY = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,3}))?\s*(%|[KMGkmg]?(?:i?[Bb])?)")
MEMORY_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def memory(value: object) -> object:
    """Check an amount of memory: ``512M``, ``1.5G`` or ``40%``."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return value
    parts = MEMORY.fullmatch(value.strip())
    if parts is None or memory_bytes(value.strip(), 100) <= 0:
        raise ValueError('must be an amount of memory such as "512M", "1.5G" or "40%"')
    if parts[3] == "%" and memory_bytes(value.strip(), 100) > 100:
        raise ValueError("must be at most 100%")
    return value.strip()


def memory_bytes(value: str, total: int) -> int:
    """The bytes of what `memory` has accepted.

    Args:
        value: a valid amount.
        total: what a percentage is of.
    """
    parts = MEMORY.fullmatch(value)
    assert parts is not None
    number = float(f"{parts[1]}.{parts[2] or 0}")
    return int(number * total / 100 if parts[3] == "%" else number * MEMORY_UNITS[parts[3][:1].upper().strip("B")])


def function(value: str | None) -> str | None:
    """Check a reference to a function: ``module:function``."""
    if value is None:
        return None
    module, _, name = value.partition(":")
    if not name or not all(part.isidentifier() for part in f"{module}.{name}".split(".")):
        raise ValueError("must be module:function, such as app.migrations:upgrade")
    return value


def api_mount_path(value: str) -> str:
    """Check the prefix of the API; it must not hide paths of Streamlit."""
    if value in {"", "/"}:
        raise ValueError('must be a path such as "/api": every other path belongs to the UI')
    mount_path(value)
    for route in STREAMLIT_ROUTES:
        if value == route or value.startswith(f"{route}/"):
            raise ValueError(f'must not be at or under "{route}", which Streamlit uses itself')
    return value


def referrer_policy(value: str) -> str:
    """Check a Referrer-Policy: one policy, or a list with fallbacks."""
    if not re.fullmatch(r"(?:[a-z-]+(?:, ?[a-z-]+)*)?", value):
        raise ValueError('must be a policy such as "same-origin", or several separated by commas')
    return value


def host(value: str) -> str:
    """Check a host to listen on: a name or an IP address, no port."""
    if not value or "/" in value or re.search(r"\s", value):
        raise ValueError('must be a host name or an IP address such as "0.0.0.0"')
    if value.count(":") == 1:
        raise ValueError("must not hold a port: the port is the setting gateway_port")
    return value


def via(value: str) -> str:
    """Check the pseudonym in Via: a token or an empty string.

    RFC 9110 sections 5.6.2 and 7.6.3.
    """
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]*", value):
        raise ValueError('must be one word of letters, digits and hyphens such as "fluxlit", or empty')
    return value


def file_mode(value: str) -> str:
    """Check file permissions: three octal digits, as for chmod(1)."""
    if not re.fullmatch(r"0?[0-7]{3}", value):
        raise ValueError('must be three octal digits such as "660", in quotation marks')
    return value


def allowed_ip(value: str) -> str:
    """Check an entry of forwarded_allow_ips."""
    if value in {"*", "unix"}:
        return value
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise ValueError(
            f'holds "{value}", which is not an IP address, network (such as "10.0.0.0/8"), "unix" or "*"'
        ) from None
    return value


def origin(value: str) -> str:
    """Check an origin; returns it as browsers send it.

    RFC 6454 section 6.2.
    """
    parts = _split(value)
    if parts is None or parts.path or parts.query or parts.fragment or parts.username is not None:
        raise ValueError('must hold origins of the form "https://host" or "https://host:port", without a path')
    if "*" in parts.netloc:
        raise ValueError(f'holds "{value}", but wildcards are not supported: list each origin')
    return f"{parts.scheme}://{_public_netloc(parts)}"


def _public_netloc(parts: SplitResult) -> str:
    """Host and port as browsers send them: in ASCII, without the usual port."""
    host = parts.hostname or ""
    try:
        ascii_host = f"[{host}]" if ":" in host else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError(f'holds the host "{host}", which is no valid name') from None
    if any(letter in host for letter in _AMBIGUOUS):
        raise ValueError(f'holds the host "{host}"; write it as browsers send it, in ASCII (xn--...)')
    is_usual = parts.port in (None, 443 if parts.scheme == "https" else 80)
    return ascii_host if is_usual else f"{ascii_host}:{parts.port}"


def open_route(value: str) -> str:
    """Check the name of one of Streamlit's closed routes."""
    if value not in OPENABLE_ROUTES:
        raise ValueError(f'holds "{value}"; the routes that can be opened are {", ".join(OPENABLE_ROUTES)}')
    return value


def public_path(value: str) -> str:
    """Check a path below the root path, compared with decoded paths."""
    if not value.startswith("/") or any(mark in value for mark in ("..", "//", "?", "#", "%", "\\")):
        raise ValueError(f'holds "{value}"; it must hold paths such as "/api/webhook" or "/app/static/"')
    return value


def public_base_url(value: str) -> str:
    """Check the public URL; removes a slash at the end."""
    if value == "":
        return value
    parts = _split(value)
    if parts is None or parts.query or parts.fragment or parts.username is not None:
        raise ValueError('must be of the form "https://host[:port][/path]", without a user name, query or fragment')
    path = mount_path_of(parts.path)
    return f"{parts.scheme}://{_public_netloc(parts)}{path}"


def upstream(value: str | None) -> str | None:
    """Check the address of an external Streamlit server."""
    if not value:
        return None
    if value.startswith("unix:"):
        if not value.removeprefix("unix:").startswith("/"):
            raise ValueError('must be the full path of a socket: "unix:/run/streamlit.sock"')
        return value
    parts = _split(value)
    if parts is None or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(
            'must be of the form "http://host:port[/base]", "https://host[:port]" or "unix:/path/to/socket"'
        )
    if not parts.port and parts.scheme == "http":
        raise ValueError('needs a port: "http://host:8501"')
    return f"{parts.scheme}://{parts.netloc}{mount_path_of(parts.path)}"


def session_store(value: str | None) -> str | None:
    """Check the URL of a session store."""
    if not value:
        return None
    # The message does not repeat the value, which may hold a password.
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", value):
        raise ValueError('must be a URL such as "sqlite:///sessions.db" or "redis://host:6379/0"')
    return value


def query_param(value: str) -> str:
    """Check the name of a query parameter that Streamlit does not use itself."""
    if not re.fullmatch(r"[A-Za-z0-9_.~-]{1,64}", value) or value.lower() in {"embed", "embed_options"}:
        raise ValueError(
            'must have 1 to 64 of the characters A-Z a-z 0-9 _ . ~ -, and not be "embed" or "embed_options"'
        )
    return value


def secret_key(value: str) -> str:
    """Check a key; the message does not repeat it."""
    if len(value) < MIN_SECRET:
        raise ValueError(
            f"must have at least {MIN_SECRET} random characters; "
            f"generate one: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    return value


def mount_path_of(path: str) -> str:
    """Check the path of a URL as a mount path; ignores a slash at the end."""
    return mount_path(path.rstrip("/"))


def _split(value: str) -> SplitResult | None:
    """Split an http(s) URL that has a host and, if any, a valid port."""
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        return None
    plain = not re.search(r"[\s\x00-\x1f\\]", value)
    return parts if plain and port_is_valid and parts.scheme in {"http", "https"} and parts.hostname else None


def strings(value: Any) -> Any:
    """Convert a list or a comma-separated string to a tuple."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return tuple(value) if isinstance(value, (list, set, frozenset)) else value


def options(value: Any) -> Any:
    """Flatten Streamlit options: ``{"server.x": 1}``."""
    if not isinstance(value, Mapping):
        return value
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, Mapping) and key not in _TABLE_OPTIONS:
            nested = {f"{key}.{name}": leaf for name, leaf in inner.items()}
            flat.update(options(nested))
        else:
            flat[key] = inner
    return flat


def page_config(value: dict[str, Any]) -> dict[str, Any]:
    """Check arguments of `st.set_page_config`.

    Raises:
        ValueError: Streamlit would refuse them.
    """
    unknown = next((key for key in value if key not in _PAGE_CONFIG), None)
    if unknown is not None:
        raise ValueError(f'holds "{unknown}"; it can hold {", ".join(_PAGE_CONFIG)}')
    if value.get("layout", "wide") not in ("centered", "wide"):
        raise ValueError('must have "centered" or "wide" as layout')
    state = value.get("initial_sidebar_state", "auto")
    is_width = isinstance(state, int) and not isinstance(state, bool) and state > 0
    if state not in ("auto", "expanded", "collapsed") and not is_width:
        raise ValueError('must have "auto", "expanded", "collapsed" or a width in pixels as initial_sidebar_state')
    if not isinstance(value.get("page_icon", ""), str):
        raise ValueError("must have a string as page_icon")  # noqa: TRY004
    _check_menu(value.get("menu_items", {}))
    return value


def _check_menu(items: Any) -> None:
    if not isinstance(items, Mapping):
        raise ValueError("must have a table as menu_items")  # noqa: TRY004  (pydantic reports this kind)
    for name, item in items.items():
        if name not in _MENU_ITEMS:
            raise ValueError(f'holds "{name}" in menu_items, which can hold {", ".join(_MENU_ITEMS)}')
        if not isinstance(item, str):
            raise ValueError(f'must have a string as "{name}" in menu_items')  # noqa: TRY004
        if name != "About" and not item.startswith(("http://", "https://", "mailto:")):
            raise ValueError(f'must have an address with http:, https: or mailto: as "{name}" in menu_items')
