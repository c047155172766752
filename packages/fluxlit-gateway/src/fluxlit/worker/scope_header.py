"""What an API worker must know of a request and HTTP does not carry.

The gateway relays a request to an API worker as HTTP over a UNIX socket in a private folder. The request line and the
headers travel as they are. The rest of the ASGI scope, as the API sees it in the gateway's own process, is in headers
of the gateway: `x-fluxlit-scope` as JSON, and the user in `fluxlit.auth.user_headers`.

The gateway removes every header that begins with `x-fluxlit-` from what clients and pages send, then adds its own. So
no client can forge a user, an address or a scheme.
"""

from __future__ import annotations

import json

from fluxlit._internal.asgi import Scope, request_header
from fluxlit._internal.header_names import OWN
from fluxlit.auth.contract import USER
from fluxlit.auth.user_headers import USER_FIELD, read_user, user_fields

HEALTH = "/_fluxlit/health"
"""Path of the health probe; a request of the gateway's that is not relayed."""

SCOPE_FIELD = OWN + b"scope"

PAGE_CALL = "fluxlit.page_call"
"""Key in the scope of a call by a page, during development."""

CARRIED = ("http_version", "scheme", "root_path", "client", "server")


def with_scope_header(scope: Scope) -> Scope:
    """A scope with what `restored_scope` needs in its headers.

    Args:
        scope: as the API would see it.
    """
    facts = {name: scope.get(name) for name in CARRIED}
    if scope.get(PAGE_CALL):
        facts[PAGE_CALL] = True
    headers = [field for field in scope["headers"] if not _is_own(field[0])]
    headers.append((SCOPE_FIELD, json.dumps(facts, separators=(",", ":")).encode("ascii")))
    if (user := scope.get(USER)) is not None:
        headers += user_fields(user)
    return {**scope, "headers": headers}


def restored_scope(scope: Scope) -> Scope | None:
    """The scope as it was in the gateway; `None` for other senders."""
    written = request_header(scope, SCOPE_FIELD)
    if written is None:
        return None
    facts = json.loads(written)
    found = {name: tuple(value) if isinstance(value, list) else value for name, value in facts.items()}
    user = read_user(value for name, value in scope["headers"] if name == USER_FIELD)
    seen = {**scope, **found, "headers": [field for field in scope["headers"] if not field[0].startswith(OWN)]}
    if user is not None:
        seen[USER] = user
    return seen


def _is_own(name: bytes) -> bool:
    return name.replace(b"_", b"-").startswith(OWN)
