"""Checks of a running deployment from outside: what a browser, a probe and a stranger see of it.

They go through everything that stands in front: DNS, TLS, balancers, edges. So most of their remedies are about those.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from urllib.parse import urlsplit

from fluxlit_cli.doctor.check import Check, Needs, Outcome, failed, passed, skipped, warned
from fluxlit_cli.doctor.visitor import SilenceError, Visitor

DAY_S = 86_400
RENEW_S = 14 * DAY_S
SLOW_S = 2.0
BROWSER = "gzip, br"
LOGIN = frozenset({301, 302, 303, 307, 401, 403})
SCRIPT = re.compile(r"""(?:src|href)=["']([^"']+\.js)["']""")
XSRF = "_streamlit_xsrf"
"""Streamlit's front end has to read it, and it opens nothing: it only proves that a request comes from the page."""
FOREIGN = "https://stranger.example"

Look = Callable[[Visitor, str], Outcome]


def checks_of(visitor: Visitor, api: str) -> list[Check]:
    """All checks of one deployment.

    Args:
        visitor: asks it.
        api: path of the API below the public prefix.
    """
    return [
        Check(name, summary, lambda _, look=look: _looked(look, visitor, api), Needs.MACHINE)  # type: ignore[misc]
        for name, (summary, look) in LOOKS.items()
    ]


def _looked(look: Look, visitor: Visitor, api: str) -> Outcome:
    try:
        return look(visitor, api)
    except SilenceError as error:
        return failed(f"{visitor.url} does not answer: {error}.", "Look whether the address is right, and who listens.")


def _answers(visitor: Visitor, api: str) -> Outcome:
    reply = visitor.get(f"{api}/healthz")
    told = f"{visitor.url} answers in {reply.seconds * 1000:.0f} ms."
    if reply.seconds > SLOW_S:
        return warned(told, "Look at the network, the edge, and the load of the machine.")
    return passed(told)


def _encryption(visitor: Visitor, _: str) -> Outcome:
    end = visitor.certificate_end()
    if end is None:
        if _is_local(visitor.name):
            return skipped("the address is of this machine.")
        return failed("the address begins with http: everybody on the way can read what is sent.", "Use TLS.")
    left = end - time.time()
    told = f"the certificate is valid for {left / DAY_S:.0f} more days."
    return passed(told) if left > RENEW_S else warned(told, "Renew it.")


def _is_local(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def _probe(name: str, expected: str, remedy: str, visitor: Visitor, api: str) -> Outcome:
    reply = visitor.get(f"{api}/{name}")
    try:
        told = json.loads(reply.text)
        status = told["status"]
    except (ValueError, KeyError, TypeError):
        return failed(
            f"{name} answers {reply.status} with something that is no probe of FluxLit.",
            "The edge sends this path elsewhere, or the API has another mount: --api-mount-path.",
        )
    if (reply.status, status) == (200, expected):
        return passed(f"{name} answers {reply.status}, {status}.")
    return failed(f"{name} answers {reply.status}, {status}: {told.get('detail', 'no detail')}.", remedy)


def _page(visitor: Visitor, _: str) -> Outcome:
    reply = visitor.get("/")
    if reply.status in LOGIN:
        return passed(f"the page asks visitors to log in ({reply.status}).")
    if reply.status != 200:
        return failed(f"the page answers {reply.status}.", "Look at readyz, and at the log of the server.")
    if "text/html" not in reply.get("content-type") or not SCRIPT.search(reply.text):
        return failed(
            "the page is not that of Streamlit.", "The edge serves something else at this address, or no UI is there."
        )
    return passed("the page of Streamlit is there.")


def _script(visitor: Visitor) -> str:
    """Path of a script of the page; empty if it cannot be known."""
    reply = visitor.get("/")
    found = SCRIPT.search(reply.text) if reply.status == 200 else None
    return visitor.resolve(found.group(1)) if found else ""


def _assets(visitor: Visitor, _: str) -> Outcome:
    if not (script := _script(visitor)):
        return skipped("the page shows no script.")
    reply = visitor.get(script, accept_encoding=BROWSER)
    if reply.status != 200 or "javascript" not in reply.get("content-type"):
        return failed(
            f"{script} answers {reply.status}, {reply.get('content-type') or 'no type'}: the page stays white.",
            "The edge must send everything below the public prefix to FluxLit, with the path as it is.",
        )
    if "max-age" not in reply.get("cache-control") or "no-store" in reply.get("cache-control"):
        return warned("scripts are not kept by browsers.", "Let the edge pass Cache-Control on unchanged.")
    return passed("scripts of the page are served, and kept by browsers.")


def _compression(visitor: Visitor, _: str) -> Outcome:
    if not (script := _script(visitor)):
        return skipped("the page shows no script.")
    coding = visitor.get(script, accept_encoding=BROWSER).get("content-encoding")
    if coding:
        return passed(f"scripts are compressed ({coding}).")
    return warned(
        "scripts are sent uncompressed: the first page needs four times as many bytes.",
        "Let the edge pass Accept-Encoding and Content-Encoding on unchanged.",
    )


def _subpath(visitor: Visitor, api: str) -> Outcome:
    if not visitor.prefix:
        return skipped("there is no public prefix.")
    bare = visitor.get_absolute(visitor.prefix)
    target = urlsplit(bare.get("location"))
    if bare.status not in {301, 302, 307, 308} or target.path != f"{visitor.prefix}/":
        return failed(
            f"{visitor.prefix} without its closing slash answers {bare.status}, and leads nowhere.",
            f"Let the edge send {visitor.prefix} itself to FluxLit too, and set FLUXLIT_ROOT_PATH={visitor.prefix}.",
        )
    servers = _servers(visitor, api)
    if servers and not any(urlsplit(server).path.startswith(visitor.prefix) for server in servers):
        return failed(
            f"the API believes to be at {', '.join(servers)}: its documentation calls the wrong address.",
            f"Set FLUXLIT_ROOT_PATH={visitor.prefix}.",
        )
    return passed(f"{visitor.prefix} is known to API and UI.")


def _servers(visitor: Visitor, api: str) -> list[str]:
    reply = visitor.get(f"{api}/openapi.json")
    try:
        return [str(server["url"]) for server in json.loads(reply.text).get("servers", ())]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _websocket(visitor: Visitor, _: str) -> Outcome:
    reply = visitor.handshake("/_stcore/stream", _origin(visitor))
    if reply.status == 101:
        if "streamlit" in reply.get("sec-websocket-protocol"):
            return passed("WebSockets are let through.")
        return failed("the WebSocket has lost its subprotocol.", "Let the edge pass Sec-WebSocket-Protocol on.")
    if reply.status in {401, 302, 303, 307} or (reply.status == 403 and visitor.get("/").status in LOGIN):
        return passed(f"WebSockets are let through, and ask for a login ({reply.status}).")
    if reply.status == 403:
        return failed(
            "the WebSocket is refused (403): the server takes the page's own origin for a foreign one.",
            f"Let the edge pass Host on unchanged, or set FLUXLIT_PUBLIC_BASE_URL={visitor.url}.",
        )
    return failed(
        f"the WebSocket handshake answers {reply.status}: pages show nothing.",
        "Let the edge pass Upgrade and Connection on, over HTTP/1.1.",
    )


def _websocket_origin(visitor: Visitor, _: str) -> Outcome:
    reply = visitor.handshake("/_stcore/stream", FOREIGN)
    if reply.status == 101:
        return failed(
            "a page of any other site can open WebSockets here, as the visitor who looks at it.",
            "Let the edge pass Origin on unchanged; look at allowed_origins.",
        )
    return passed(f"a page of another site cannot open WebSockets ({reply.status}).")


def _origin(visitor: Visitor) -> str:
    parts = urlsplit(visitor.url)
    return f"{parts.scheme}://{parts.netloc}"


def _public_address(visitor: Visitor, api: str) -> Outcome:
    """FastAPI redirects what has a slash too many, to an absolute address: what the server takes its own for."""
    reply = visitor.get(f"{api}/openapi.json/")
    location = reply.get("location")
    if reply.status not in {307, 308, 301, 302} or "://" not in location:
        return skipped("the API does not say what it takes its address for.")
    told, own = urlsplit(location), urlsplit(visitor.url)
    if told.scheme != own.scheme:
        return failed(
            f"the server believes to be asked over {told.scheme}, not {own.scheme}: redirects lead astray.",
            "Let the edge send X-Forwarded-Proto, and believe it: FLUXLIT_TRUST_PROXY=1, FLUXLIT_FORWARDED_ALLOW_IPS.",
        )
    if told.netloc.lower() != own.netloc.lower():
        return failed(
            f"the server takes {told.netloc} for its own name, not {own.netloc}: redirects lead astray.",
            "Let the edge pass Host on unchanged, or send X-Forwarded-Host and let the server believe it.",
        )
    return passed(f"the server knows that it is {_origin(visitor)}.")


def _forged_fields(visitor: Visitor, api: str) -> Outcome:
    forged = urlsplit(FOREIGN).netloc
    reply = visitor.get(f"{api}/openapi.json/", x_forwarded_host=forged, forwarded=f"host={forged}")
    if forged in reply.get("location"):
        return failed(
            "a visitor can make the server believe that it has another name, by X-Forwarded-Host.",
            "Let the edge overwrite X-Forwarded-* and Forwarded; believe it alone: FLUXLIT_FORWARDED_ALLOW_IPS.",
        )
    return passed("forwarding headers of visitors are not believed.")


def _cookies(visitor: Visitor, _: str) -> Outcome:
    bad = []
    found = [*visitor.get("/").all("set-cookie"), *visitor.get("/_stcore/health").all("set-cookie")]
    for line in found:
        name, *rest = (part.strip() for part in line.split(";"))
        attributes = {key.lower(): value for key, _, value in (part.partition("=") for part in rest)}
        name = name.partition("=")[0]
        if name != XSRF:
            bad += [f"{name} has no Secure"] if visitor.secure and "secure" not in attributes else []
            bad += [f"{name} has no HttpOnly"] if "httponly" not in attributes else []
        path = attributes.get("path", "/")
        if visitor.prefix and not f"{visitor.prefix}/".startswith(f"{path.rstrip('/')}/"):
            bad.append(f"{name} is for {path}, where the page is not")
    if bad:
        remedy = "Set FLUXLIT_PUBLIC_BASE_URL, believe the edge's X-Forwarded-Proto, and let it leave Set-Cookie alone."
        return failed("; ".join(dict.fromkeys(bad)) + ".", remedy)
    return passed(f"cookies are protected ({len(found)} seen).") if found else skipped("no cookie was set.")


def _security_headers(visitor: Visitor, _: str) -> Outcome:
    reply = visitor.get("/")
    missing = [name for name in ("x-content-type-options", "referrer-policy") if not reply.get(name)]
    if not reply.get("x-frame-options") and "frame-ancestors" not in reply.get("content-security-policy"):
        missing.append("x-frame-options")
    if visitor.secure and not reply.get("strict-transport-security"):
        missing.append("strict-transport-security")
    if missing:
        remedy = "Leave enable_security_headers on, set hsts_max_age_s, or let the edge add them."
        return warned(f"missing: {', '.join(missing)}.", remedy)
    return passed("browsers are told what they may do.")


def _private(visitor: Visitor, _: str) -> Outcome:
    shown = []
    for path in ("/metrics", "/status", "/_stcore/metrics", "/__fluxlit/metrics"):
        reply = visitor.get(path)
        if reply.status == 200 and "text/html" not in reply.get("content-type"):
            shown.append(path)
    if shown:
        remedy = "Keep the admin listener off the public address, and `metrics` out of streamlit_open_routes."
        return failed(f"everybody can read {', '.join(shown)}.", remedy)
    return passed("metrics and status are not public.")


def _request_id(visitor: Visitor, api: str) -> Outcome:
    sent = "fluxlit-doctor-1"
    reply = visitor.get(f"{api}/healthz", x_request_id=sent)
    told = reply.all("x-request-id")
    if told == [sent]:
        return passed("a request's id is the same here, at the edge and in the server's log.")
    if len(told) == 1:
        return passed("every answer has a request id; the edge makes its own.")
    return warned(
        f"an answer has {len(told)} request ids: requests cannot be found in the log.",
        "Let the edge pass X-Request-ID on, in both directions.",
    )


_READY = "Look at the log of the server; `fluxlit status` on its machine says more."
_LIVE = "Look at the log of the server, and whether it runs."

LOOKS: dict[str, tuple[str, Look]] = {
    "url-answers": ("the address answers, and soon", _answers),
    "url-encryption": ("what is sent is encrypted, with a certificate that stays valid", _encryption),
    "url-healthz": ("the liveness probe answers", partial(_probe, "healthz", "ok", _LIVE)),
    "url-readyz": ("API and UI can serve", partial(_probe, "readyz", "ready", _READY)),
    "url-page": ("the page is that of Streamlit", _page),
    "url-assets": ("scripts of the page are served, and kept by browsers", _assets),
    "url-compression": ("they are compressed", _compression),
    "url-subpath": ("the public prefix is known to API and UI", _subpath),
    "url-websocket": ("WebSockets are let through", _websocket),
    "url-websocket-origin": ("pages of other sites cannot open WebSockets", _websocket_origin),
    "url-public-address": ("the server knows its own scheme and name", _public_address),
    "url-forged-fields": ("forwarding headers of visitors are not believed", _forged_fields),
    "url-cookies": ("cookies are protected", _cookies),
    "url-security-headers": ("browsers are told what they may do", _security_headers),
    "url-private": ("metrics and status are not public", _private),
    "url-request-id": ("requests can be found in the log", _request_id),
}
"""Every check by its name, which never changes: what must hold, and who looks."""
