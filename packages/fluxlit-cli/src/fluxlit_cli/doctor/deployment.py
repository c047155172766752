"""Checks of a running deployment from outside.

Requests pass DNS, TLS, load balancers and edges, so most remedies are about those.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from fluxlit_cli.config.rules import is_loopback
from fluxlit_cli.doctor.check import Check, Needs
from fluxlit_cli.doctor.client import Client, NoResponseError
from fluxlit_cli.finding import Finding, failed, passed, skipped, warned

DAY_S = 86_400
RENEW_S = 14 * DAY_S
SLOW_S = 2.0
BROWSER = "gzip, br"
LOGIN = frozenset({301, 302, 303, 307, 401, 403})
SCRIPT = re.compile(r"""(?:src|href)=["']([^"']+\.js)["']""")
XSRF = "_streamlit_xsrf"
"""Not HttpOnly, because Streamlit's front end reads it; it only protects against CSRF."""
OTHER_ORIGIN = "https://stranger.example"

Examine = Callable[[Client, str], Finding]


def checks_of(client: Client, api: str) -> list[Check]:
    """Return the checks of a deployment.

    Args:
        client: its client.
        api: path of the API below the public prefix.
    """
    return [
        Check(name, summary, lambda _, examine=examine: _examined(examine, client, api), Needs.MACHINE)  # type: ignore[misc]
        for name, (summary, examine) in CHECKS.items()
    ]


def _examined(examine: Examine, client: Client, api: str) -> Finding:
    try:
        return examine(client, api)
    except NoResponseError as error:
        return failed(f"{client.url} does not respond: {error}.", "Check the address, and that the server runs.")


def _answers(client: Client, api: str) -> Finding:
    response = client.get(f"{api}/healthz")
    detail = f"{client.url} responds in {response.seconds * 1000:.0f} ms."
    if response.seconds > SLOW_S:
        return warned(detail, "Check the network, the edge and the load of the machine.")
    return passed(detail)


def _encryption(client: Client, _: str) -> Finding:
    end = client.certificate_end() if client.secure else None
    if end is None:
        if is_loopback(client.name):
            return skipped("the address is on this machine.")
        return failed("the address is http:, so others on the network can read the traffic.", "Use TLS.")
    left = end - time.time()
    detail = f"the certificate is valid for {left / DAY_S:.0f} more days."
    return passed(detail) if left > RENEW_S else warned(detail, "Renew it.")


def _probe(name: str, expected: str, remedy: str, client: Client, api: str) -> Finding:
    response = client.get(f"{api}/{name}")
    try:
        report = json.loads(response.text)
        status = report["status"]
    except (ValueError, KeyError, TypeError):
        return failed(
            f"{name} returned {response.status}, but not the report of a FluxLit probe.",
            "The edge routes this path elsewhere, or the API has another mount path: --api-mount-path.",
        )
    if (response.status, status) == (200, expected):
        return passed(f"{name} returned {response.status}, {status}.")
    return failed(f"{name} returned {response.status}, {status}: {report.get('detail', 'no detail')}.", remedy)


def _page(client: Client, _: str) -> Finding:
    response = client.get("/")
    if response.status in LOGIN:
        return passed(f"the page requires a login ({response.status}).")
    if response.status != 200:
        return failed(f"the page returned {response.status}.", "Check readyz and the log of the server.")
    if "text/html" not in response.get("content-type") or not SCRIPT.search(response.text):
        return failed(
            "the page is not a Streamlit page.", "The edge serves another page at this address, or there is no UI."
        )
    return passed("the Streamlit page is served.")


def _script(client: Client) -> str:
    """Return the path of a script of the page, empty if unknown."""
    response = client.get("/")
    found = SCRIPT.search(response.text) if response.status == 200 else None
    return client.resolve(found.group(1)) if found else ""


def _assets(client: Client, _: str) -> Finding:
    if not (script := _script(client)):
        return skipped("the page has no script.")
    response = client.get(script, accept_encoding=BROWSER)
    if response.status != 200 or "javascript" not in response.get("content-type"):
        return failed(
            f"{script} returned {response.status}, {response.get('content-type') or 'no type'}: the page stays white.",
            "The edge must route everything below the public prefix to FluxLit with an unchanged path.",
        )
    if "max-age" not in response.get("cache-control") or "no-store" in response.get("cache-control"):
        return warned("browsers do not cache scripts.", "Let the edge pass Cache-Control on unchanged.")
    return passed("scripts are served and cached by browsers.")


def _compression(client: Client, _: str) -> Finding:
    if not (script := _script(client)):
        return skipped("the page has no script.")
    encoding = client.get(script, accept_encoding=BROWSER).get("content-encoding")
    if encoding:
        return passed(f"scripts are compressed ({encoding}).")
    return warned(
        "scripts are sent uncompressed: the first page transfers four times as many bytes.",
        "Let the edge pass Accept-Encoding and Content-Encoding on unchanged.",
    )


def _subpath(client: Client, api: str) -> Finding:
    if not client.prefix:
        return skipped("there is no public prefix.")
    bare = client.get_absolute(client.prefix)
    target = urlsplit(bare.get("location"))
    if bare.status not in {301, 302, 307, 308} or target.path != f"{client.prefix}/":
        return failed(
            f"{client.prefix} without a slash at the end returned {bare.status}, not a redirect.",
            f"Let the edge route {client.prefix} itself to FluxLit too, and set FLUXLIT_ROOT_PATH={client.prefix}.",
        )
    servers = _servers(client, api)
    if servers and not any(urlsplit(server).path.startswith(client.prefix) for server in servers):
        return failed(
            f"the API takes {', '.join(servers)} for its address: its documentation uses the wrong one.",
            f"Set FLUXLIT_ROOT_PATH={client.prefix}.",
        )
    return passed(f"API and UI know the prefix {client.prefix}.")


def _servers(client: Client, api: str) -> list[str]:
    response = client.get(f"{api}/openapi.json")
    try:
        return [str(server["url"]) for server in json.loads(response.text).get("servers", ())]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _websocket(client: Client, _: str) -> Finding:
    response = client.handshake("/_stcore/stream", _origin(client))
    if response.status == 101:
        if "streamlit" in response.get("sec-websocket-protocol"):
            return passed("WebSockets work.")
        return failed("the WebSocket has lost its subprotocol.", "Let the edge pass Sec-WebSocket-Protocol on.")
    if response.status in {401, 302, 303, 307} or (response.status == 403 and client.get("/").status in LOGIN):
        return passed(f"WebSockets work and require a login ({response.status}).")
    if response.status == 403:
        return failed(
            "the WebSocket is refused (403): the server takes the page's own origin for another one.",
            f"Let the edge pass Host on unchanged, or set FLUXLIT_PUBLIC_BASE_URL={client.url}.",
        )
    return failed(
        f"the WebSocket handshake returned {response.status}: pages stay empty.",
        "Let the edge pass Upgrade and Connection on, over HTTP/1.1.",
    )


def _websocket_origin(client: Client, _: str) -> Finding:
    response = client.handshake("/_stcore/stream", OTHER_ORIGIN)
    if response.status == 101:
        return failed(
            "pages of other sites can open WebSockets here as the visitor.",
            "Let the edge pass Origin on unchanged; check allowed_origins.",
        )
    return passed(f"pages of other sites cannot open WebSockets ({response.status}).")


def _origin(client: Client) -> str:
    parts = urlsplit(client.url)
    return f"{parts.scheme}://{parts.netloc}"


def _public_address(client: Client, api: str) -> Finding:
    """Compare the server's own address with the public one."""
    # FastAPI redirects a path with an additional slash to an absolute URL.
    response = client.get(f"{api}/openapi.json/")
    location = response.get("location")
    if response.status not in {307, 308, 301, 302} or "://" not in location:
        return skipped("the API does not reveal its own address.")
    reported, own = urlsplit(location), urlsplit(client.url)
    if reported.scheme != own.scheme:
        return failed(
            f"the server takes the scheme for {reported.scheme}, not {own.scheme}: redirects are wrong.",
            "Let the edge send X-Forwarded-Proto, and trust it: FLUXLIT_TRUST_PROXY=1, FLUXLIT_FORWARDED_ALLOW_IPS.",
        )
    if reported.netloc.lower() != own.netloc.lower():
        return failed(
            f"the server takes {reported.netloc} for its own name, not {own.netloc}: redirects are wrong.",
            "Let the edge pass Host on unchanged, or send X-Forwarded-Host, and trust it.",
        )
    return passed(f"the server knows its address {_origin(client)}.")


def _forged_headers(client: Client, api: str) -> Finding:
    forged = urlsplit(OTHER_ORIGIN).netloc
    response = client.get(f"{api}/openapi.json/", x_forwarded_host=forged, forwarded=f"host={forged}")
    if forged in response.get("location"):
        return failed(
            "any client can change the server's own name with X-Forwarded-Host.",
            "Let the edge overwrite X-Forwarded-* and Forwarded; trust only the edge: FLUXLIT_FORWARDED_ALLOW_IPS.",
        )
    return passed("forwarding headers of clients are not trusted.")


def _cookies(client: Client, _: str) -> Finding:
    bad = []
    found = [*client.get("/").all("set-cookie"), *client.get("/_stcore/health").all("set-cookie")]
    for line in found:
        name, *rest = (part.strip() for part in line.split(";"))
        attributes = {key.lower(): value for key, _, value in (part.partition("=") for part in rest)}
        name = name.partition("=")[0]
        if name != XSRF:
            bad += [f"{name} has no Secure"] if client.secure and "secure" not in attributes else []
            bad += [f"{name} has no HttpOnly"] if "httponly" not in attributes else []
        path = attributes.get("path", "/")
        if client.prefix and not f"{client.prefix}/".startswith(f"{path.rstrip('/')}/"):
            bad.append(f"{name} has the path {path}, which does not include the page")
    if bad:
        remedy = "Set FLUXLIT_PUBLIC_BASE_URL, trust the edge's X-Forwarded-Proto, and let it pass on Set-Cookie."
        return failed("; ".join(dict.fromkeys(bad)) + ".", remedy)
    return passed(f"cookies are protected ({len(found)} seen).") if found else skipped("no cookie was set.")


def _security_headers(client: Client, _: str) -> Finding:
    response = client.get("/")
    missing = [name for name in ("x-content-type-options", "referrer-policy") if not response.get(name)]
    if not response.get("x-frame-options") and "frame-ancestors" not in response.get("content-security-policy"):
        missing.append("x-frame-options")
    if client.secure and not response.get("strict-transport-security"):
        missing.append("strict-transport-security")
    if missing:
        remedy = "Leave enable_security_headers on, set hsts_max_age_s, or let the edge add them."
        return warned(f"missing: {', '.join(missing)}.", remedy)
    return passed("all security headers are sent.")


def _private(client: Client, _: str) -> Finding:
    readable = []
    for path in ("/metrics", "/status", "/_stcore/metrics", "/__fluxlit/metrics"):
        response = client.get(path)
        if response.status == 200 and "text/html" not in response.get("content-type"):
            readable.append(path)
    if readable:
        remedy = "Keep the admin listener off the public address, and `metrics` out of streamlit_open_routes."
        return failed(f"{', '.join(readable)} can be read by every client.", remedy)
    return passed("metrics and status are not public.")


def _request_id(client: Client, api: str) -> Finding:
    sent = "fluxlit-doctor-1"
    response = client.get(f"{api}/healthz", x_request_id=sent)
    received = response.all("x-request-id")
    if received == [sent]:
        return passed("the request id is the same here, at the edge and in the server's log.")
    if len(received) == 1:
        return passed("every response has a request id; the edge creates its own.")
    return warned(
        f"a response has {len(received)} request ids: requests cannot be found in the log.",
        "Let the edge pass X-Request-ID on, in both directions.",
    )


_READY = "Check the log of the server, and `fluxlit status` on its machine."
_LIVE = "Check the log of the server, and that it runs."

CHECKS: dict[str, tuple[str, Examine]] = {
    "url-answers": ("the address responds quickly", _answers),
    "url-encryption": ("traffic is encrypted, and the certificate stays valid", _encryption),
    "url-healthz": ("the liveness probe responds", partial(_probe, "healthz", "ok", _LIVE)),
    "url-readyz": ("API and UI are ready", partial(_probe, "readyz", "ready", _READY)),
    "url-page": ("the Streamlit page is served", _page),
    "url-assets": ("scripts are served and cached by browsers", _assets),
    "url-compression": ("scripts are compressed", _compression),
    "url-subpath": ("API and UI know the public prefix", _subpath),
    "url-websocket": ("WebSockets work", _websocket),
    "url-websocket-origin": ("pages of other sites cannot open WebSockets", _websocket_origin),
    "url-public-address": ("the server knows its own scheme and name", _public_address),
    "url-forged-fields": ("forwarding headers of clients are not trusted", _forged_headers),
    "url-cookies": ("cookies are protected", _cookies),
    "url-security-headers": ("all security headers are sent", _security_headers),
    "url-private": ("metrics and status are not public", _private),
    "url-request-id": ("requests can be found in the log", _request_id),
}
"""All checks by name, which never changes: summary and function."""
