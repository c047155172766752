"""The login of `fluxlit dev --login`: a page to choose user and roles.

It asks for no password, so it exists on the developer's own machine only. Nothing but that flag of that command makes
it: no setting, no variable, no argument of `FluxLit`. It refuses to start where other machines could connect, and at
each request it looks again: one that came over another interface, under another name than this machine's own, or
through a proxy, is served as one without a login.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from hashlib import sha256
from html import escape
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from fluxlit._internal.asgi import Application, Header, Receive, Scope, Send
from fluxlit._internal.cookies import cookie_pairs
from fluxlit._internal.peer import is_loopback
from fluxlit._internal.responses import NO_STORE, html_page, reply
from fluxlit.auth.contract import LOGIN, LOGOUT, PEER, RETURN_TO, SESSION, AuthContext, Peer, User, Verdict
from fluxlit.auth.csrf import is_proven
from fluxlit.errors import FluxLitError
from fluxlit.gateway.origin_policy import OriginPolicy
from fluxlit.settings import Settings

COOKIE = b"fluxlit_development_login"
ISSUER = "fluxlit-development"
MAX_LOGINS = 1000
MAX_BODY = 8192
MAX_FIELDS = 100
MAX_TEXT = 200

# What a proxy adds; browsers send none of these.
_PROXIES = re.compile(rb"forwarded|via|x-forwarded-.*|x-real-ip|x-original-.*|cf-.*|true-client-ip|x-envoy-.*")
_PATH = re.compile(r"/(?![/\\])[A-Za-z0-9._~!$&'()*+,;=:@/?%-]{0,2000}\Z")
_CSP = (b"content-security-policy", b"default-src 'none';style-src 'unsafe-inline';frame-ancestors 'none'")

_NO_OTHERS = OriginPolicy(frozenset())

_FORM = """<form method="post"><input type="hidden" name="return_to" value="{return_to}">
<p><label>User <input name="name" value="Ada" maxlength="100" required autofocus></label></p>
<p>{roles}</p>
<p><label>Other roles, separated by commas <input name="more" maxlength="200"></label></p>
<p><button>Sign in</button></p></form>"""
_ROLE = '<label><input type="checkbox" name="role" value="{role}"> {role}</label> '


class DevelopmentLogin:
    """An authenticator that accepts what the developer chooses.

    Args:
        roles: returns the roles to offer.
    """

    def __init__(self, roles: Callable[[], Collection[str]]) -> None:
        self._roles = roles
        self._logins: OrderedDict[str, User] = OrderedDict()
        self._ended: asyncio.Queue[str] = asyncio.Queue()
        self._api = "/api"

    def bind(self, context: AuthContext) -> None:
        """Check that only this machine can connect.

        Raises:
            FluxLitError: others could.
        """
        check_local(context.settings)
        self._api = context.settings.api_mount_path

    async def start(self) -> None:
        """There is no background work."""

    async def stop(self) -> None:
        """There is no background work."""

    async def authenticate(self, scope: Scope) -> Verdict:
        """Return the chosen user. Never raises."""
        token = _token(scope)
        user = self._logins.get(token) if token is not None and is_local(scope) else None
        return Verdict(user)

    def routes(self) -> Mapping[str, Application]:
        """Return the pages to sign in and out."""
        return {LOGIN: self._sign_in, LOGOUT: self._sign_out}

    def login_location(self, scope: Scope) -> str | None:
        """Return the page to sign in; `None` for a request from elsewhere."""
        if not is_local(scope):
            return None
        query = scope["query_string"].decode("latin-1")
        here = quote(scope["path"]) + (f"?{query}" if query else "")
        return f"{scope.get('root_path', '')}{self._api}{LOGIN}?{urlencode({RETURN_TO: here})}"

    def strips(self) -> tuple[bytes, ...]:
        """Return no header."""
        return ()

    def strips_cookies(self) -> tuple[bytes, ...]:
        """Return the cookie of the login."""
        return (COOKIE,)

    async def ended(self) -> AsyncIterator[str]:
        """Yield the handles of logins that ended."""
        while True:
            yield await self._ended.get()

    async def _sign_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        mount = scope.get("root_path", "").removesuffix(self._api)
        if not is_local(scope):
            await _page(scope, send, 403, "Development login", "It works on the developer's own machine only.")
        elif scope["method"] in {"GET", "HEAD"}:
            given = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=MAX_FIELDS)
            wanted = given.get(RETURN_TO, [""])[0]
            await self._ask(scope, send, _inside(wanted, mount))
        elif scope["method"] != "POST" or not is_proven(scope, scope[PEER], _NO_OTHERS):
            await _page(scope, send, 403, "Access denied", "Open the sign-in page of the application itself.")
        else:
            await self._log_in(scope, send, await _form(receive), mount)

    async def _ask(self, scope: Scope, send: Send, return_to: str) -> None:
        roles = "".join(_ROLE.format(role=escape(role)) for role in sorted(self._roles()))
        form = _FORM.format(return_to=escape(return_to), roles=roles or "No page names a role.")
        text = "Choose any user. There is no password: this page exists in fluxlit dev --login only."
        await _page(scope, send, 200, "Development login", text, form)

    async def _log_in(self, scope: Scope, send: Send, given: Mapping[str, list[str]], mount: str) -> None:
        name = given.get("name", [""])[0].strip()[:MAX_TEXT]
        if not name:
            await _page(scope, send, 400, "Development login", "Go back and enter a name.")
            return
        more = given.get("more", [""])[0].split(",")
        roles = frozenset(role.strip()[:MAX_TEXT] for role in [*given.get("role", []), *more] if role.strip())
        token = secrets.token_urlsafe(32)
        subject = name.casefold()
        self._logins[token] = User(
            subject,
            ISSUER,
            name,
            roles=roles,
            claims={"sub": subject, "name": name, "roles": sorted(roles)},
            session=_handle(token),
            scheme="development",
        )
        while len(self._logins) > MAX_LOGINS:
            self._end(next(iter(self._logins)))
        await _redirect(send, _inside(given.get(RETURN_TO, [""])[0], mount), _cookie(scope, token, mount))

    async def _sign_out(self, scope: Scope, receive: Receive, send: Send) -> None:
        mount = scope.get("root_path", "").removesuffix(self._api)
        token = _token(scope)
        given = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=MAX_FIELDS)
        named = token is not None and given.get(SESSION) == [_handle(token)]
        posted = scope["method"] == "POST" and is_proven(scope, scope[PEER], _NO_OTHERS)
        if not is_local(scope) or not (named or posted):
            await _page(scope, send, 403, "Access denied", "Sign out by the link of a page of the application.")
            return
        if token is not None:
            self._end(token)
        await _redirect(send, _inside(given.get(RETURN_TO, [""])[0], mount), _cookie(scope, "", mount))

    def _end(self, token: str) -> None:
        if self._logins.pop(token, None) is not None:
            self._ended.put_nowait(_handle(token))


def check_local(settings: Settings) -> None:
    """Refuse settings with which other machines could connect.

    Raises:
        FluxLitError: with the setting.
    """
    wrong = ""
    if settings.gateway_uds is not None or settings.gateway_fd is not None:
        wrong = "gateway_uds or gateway_fd is set, and another program may listen for others"
    elif settings.gateway_host != "localhost" and not is_loopback(settings.gateway_host):
        wrong = f"gateway_host={settings.gateway_host!r} is not a loopback address; use 127.0.0.1"
    elif settings.trust_proxy:
        wrong = "trust_proxy is on, so requests come through a proxy"
    elif settings.public_base_url:
        wrong = f"public_base_url={settings.public_base_url!r} is an address for others"
    if wrong:
        raise FluxLitError(f"--login signs in anyone without a password, so only this machine may connect: {wrong}.")


def is_local(scope: Scope) -> bool:
    """Whether a request came from this machine, not by a proxy."""
    peer: Peer | None = scope.get(PEER)
    if peer is None or peer.trusted or not is_loopback(peer.address):
        return False
    hosts = [value for name, value in peer.headers if name == b"host"]
    proxied = any(_PROXIES.fullmatch(name) for name, _ in peer.headers)
    return not proxied and len(hosts) == 1 and _is_own_name(hosts[0].decode("latin-1"))


def _is_own_name(host: str) -> bool:
    """Whether a Host is a loopback name.

    A site could let its own name lead to this machine (DNS rebinding).
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _inside(wanted: str, mount: str) -> str:
    """Return a path of the application: the wanted one, or the start page."""
    path = wanted.partition("?")[0]
    fits = _PATH.match(wanted) and path.startswith(f"{mount}/") and ".." not in path and "%2" not in path.lower()
    return wanted if fits else f"{mount}/"


def _handle(token: str) -> str:
    return sha256(token.encode()).hexdigest()[:32]


def _token(scope: Scope) -> str | None:
    pairs = (pair for name, value in scope["headers"] if name == b"cookie" for pair in cookie_pairs(value))
    found = [value for name, _, value in (pair.partition(b"=") for pair in pairs) if name == COOKIE]
    return found[0].decode("latin-1") if len(found) == 1 else None


def _cookie(scope: Scope, token: str, mount: str) -> Header:
    parts = [f"{COOKIE.decode()}={token}", f"Path={mount or '/'}", "HttpOnly", "SameSite=Lax"]
    parts += ["Secure"] if scope["scheme"] == "https" else []
    parts += ["Max-Age=0"] if not token else []
    return (b"set-cookie", "; ".join(parts).encode())


async def _form(receive: Receive) -> Mapping[str, list[str]]:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or len(body) > MAX_BODY:
            return {}
        if not message.get("more_body"):
            break
    try:
        return parse_qs(body.decode("utf-8"), max_num_fields=MAX_FIELDS)
    except ValueError:
        return {}


async def _page(scope: Scope, send: Send, status: int, title: str, text: str, form: str = "") -> None:
    page = html_page(scope, title, text, content=form)
    await reply(scope, send, status, page, b"text/html; charset=utf-8", [NO_STORE, _CSP])


async def _redirect(send: Send, location: str, cookie: Header) -> None:
    headers: list[Header] = [(b"location", location.encode("ascii", "replace")), NO_STORE, cookie]
    await send({"type": "http.response.start", "status": 303, "headers": [*headers, (b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
