"""Pages under a separate ``streamlit run``, for the mode `external`.

```python
# pages_server.py
from fluxlit.worker.external_pages import run_pages

run_pages("app:app", api_url="http://gateway:8000/api")
```

``streamlit run pages_server.py --server.baseUrlPath ...`` then shows the pages, and the gateway, in another container
perhaps, has ``FLUXLIT_STREAMLIT_UPSTREAM=http://pages:8501``.

With a login, that Streamlit trusts the gateway's headers about its users: only the gateway may reach it. It must put
them into `st.user`, because it gives a session back only to a user with the same `st.user`:
``STREAMLIT_SERVER_TRUSTED_USER_HEADERS={"X-FluxLit-User-Subject": "sub", "X-FluxLit-User-Issuer": "iss"}``, and name,
email and roles likewise, if pages read them there.
"""

from __future__ import annotations

import threading
from typing import Any

from fluxlit import client, users
from fluxlit.auth.contract import User
from fluxlit.auth.user_headers import RUN_FIELD, USER_FIELD, read_user
from fluxlit.errors import FluxLitError
from fluxlit.observability.current_request import REQUEST_FIELD
from fluxlit.settings import resolve
from fluxlit.settings.target import load
from fluxlit.streamlit.options import get_option
from fluxlit.streamlit.script_run import RUN_SESSION, handshake
from fluxlit.worker.app_context import AppContext, run_entry, show

WANTED = "x-fluxlit-user-subject"

NO_IDENTITY = (
    "The application has a login, so this Streamlit must know its users, or it could give the session of one to "
    'another. Start it with STREAMLIT_SERVER_TRUSTED_USER_HEADERS=\'{"X-FluxLit-User-Subject": "sub", '
    '"X-FluxLit-User-Issuer": "iss"}\'.'
)

_loading = threading.Lock()
_loaded: set[str] = set()


def run_pages(target: str, *, api_url: str | None = None) -> None:
    """Show the pages; to be called by the script at every run.

    The application is imported once. Its settings come from the same layers as the gateway's.

    Args:
        target: ``module:attribute`` of the FluxLit object.
        api_url: where this process reaches the API, such as ``http://gateway:8000/api``, if pages call it.

    Raises:
        FluxLitError: target or settings are wrong.
    """
    with _loading:  # the first visitors come at once, and none may meet a half-imported module
        if target not in _loaded:
            _load(target, api_url)
            _loaded.add(target)
    run_entry()


def _load(target: str, api_url: str | None) -> None:
    app: Any = load(target)
    settings = resolve(arguments=app.setting_arguments).settings
    context = AppContext(app, app.pages, settings, visitor=_user)
    if context.protected and not _knows_users():
        raise FluxLitError(NO_IDENTITY)
    if context.protected and not RUN_SESSION.on:
        raise FluxLitError(RUN_SESSION.refusal())
    users.configure(users.CurrentUserProvider(_user, settings.root_path + settings.api_mount_path, _address))
    if api_url is not None:
        client.configure(client.InternalApi(api_url, identify=_call_headers))
    show(context)


def _knows_users() -> bool:
    return any(name.lower() == WANTED for name in get_option("server.trustedUserHeaders") or {})


def _user() -> User | None:
    """The user that the gateway has named at the WebSocket's handshake."""
    return read_user(value.encode("latin-1") for value in handshake(USER_FIELD.decode("ascii")))


def _address() -> str:
    """The browser's address, or the chain of trusted proxies."""
    return ", ".join(handshake("X-Forwarded-For"))


def _call_headers() -> dict[str, str]:
    names = RUN_FIELD.decode("ascii"), REQUEST_FIELD
    return {name: values[0] for name in names if (values := handshake(name))}
