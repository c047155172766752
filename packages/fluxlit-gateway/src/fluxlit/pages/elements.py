"""Sign-in and sign-out elements, and the access-denied page.

They are links, not Streamlit's buttons: a login is a walk of the browser to another address and back, and a button
only runs the page again. The sign-out link names the login session by its handle, which no other site knows, so none
can sign a user out.
"""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import urlencode, urlsplit

from fluxlit.auth.contract import LOGIN, LOGOUT, RETURN_TO, SESSION
from fluxlit.errors import FluxLitError
from fluxlit.users import Denied, provider

_LINK = (
    '<a href="{href}" target="_self" style="display:inline-block;padding:.25rem .75rem;border-radius:.5rem;'
    'border:1px solid rgba(128,132,149,.4);color:inherit;text-decoration:none">{label}</a>'
)


def sign_in(label: str = "Sign in") -> None:
    """Show a link to the login and back; nothing to a signed-in user.

    Args:
        label: text of the link.

    Raises:
        FluxLitError: the application has no login.
    """
    at = _provider()
    if at.user() is None:
        _link(label, f"{at.mount}{LOGIN}?{urlencode({RETURN_TO: here()})}")


def sign_out(label: str = "Sign out", *, return_to: str = "") -> None:
    """Show a link that ends the login; nothing without a login to end.

    Args:
        label: text of the link.
        return_to: path of the page to show afterwards, with the public mount; by default the provider or the landing
            page decides.

    Raises:
        FluxLitError: the application has no login.
    """
    at = _provider()
    user = at.user()
    if user is not None and user.session is not None:
        query = {SESSION: user.session} | ({RETURN_TO: return_to} if return_to else {})
        _link(label, f"{at.mount}{LOGOUT}?{urlencode(query)}")


def show_denied(st: Any, error: Denied) -> None:
    """Show that access is denied, and offer to sign in where that helps."""
    if error.status_code == 401 and provider() is not None:
        st.info(str(error.detail), icon=":material/lock:")
        sign_in()
    else:
        st.error(str(error.detail), icon=":material/block:")


def here() -> str:
    """Path and query of the page that the browser shows."""
    import streamlit as st  # noqa: PLC0415 - the gateway's process must not import it

    path = urlsplit(st.context.url or "/").path or "/"
    query = urlencode([(name, value) for name in st.query_params for value in st.query_params.get_all(name)])
    return f"{path}?{query}" if query else path


def _provider() -> Any:
    at = provider()
    if at is None:
        raise FluxLitError("There is nothing to sign in to: the application has no login. Give one: FluxLit(auth=...).")
    return at


def _link(label: str, href: str) -> None:
    import streamlit as st  # noqa: PLC0415

    st.markdown(_LINK.format(href=escape(href), label=escape(label)), unsafe_allow_html=True)
