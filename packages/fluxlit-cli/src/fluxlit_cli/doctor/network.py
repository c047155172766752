"""Checks of addresses, session store, login and upstream."""

from __future__ import annotations

import asyncio
import errno
import json
import re
import socket
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from email.message import Message
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from fluxlit import sessions
from fluxlit.errors import FluxLitError
from fluxlit.proxy import Address, Upstream, UpstreamError
from fluxlit_cli.doctor.check import Check
from fluxlit_cli.doctor.subject import Subject
from fluxlit_cli.finding import Finding, Status, failed, passed, skipped, warned

TIMEOUT_S = 5.0
SLOW_STORE_S = 0.5
MAX_BYTES = 1_000_000
# Verifiers usually allow for a clock skew of up to a minute (RFC 7519 section 4.1.4).
MAX_SKEW_S = 30


def host_address(subject: Subject) -> Finding:
    """The address to listen on belongs to this machine."""
    host = subject.settings.gateway_host
    try:
        _listen(host, 0)
    except OSError as error:
        return failed(
            f"cannot listen on {host}: {error.strerror or error}.",
            "Set gateway_host to an address of this machine, 127.0.0.1 or 0.0.0.0.",
        )
    return passed(host)


def port_free(subject: Subject) -> Finding:
    """The port is free, and this user may listen on it."""
    host, port = subject.settings.gateway_host, subject.settings.gateway_port
    if port == 0:
        return passed("the system chooses one")
    try:
        _listen(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return failed(f"{_listener(host, port, subject)}.", "Stop it, or use another port: --port, gateway_port.")
        if isinstance(error, PermissionError):
            return failed(f"this user may not listen on port {port}.", "Choose a port above 1023, or allow this one.")
        return skipped("the address is invalid, see host-address.")
    return passed(f"{host}:{port}")


def public_name(subject: Subject) -> Finding:
    """The name in the public address resolves."""
    host = urlsplit(subject.settings.public_base_url).hostname
    if not host:
        return skipped("public_base_url is not set.")
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return warned(f"{host} does not resolve here: {error.strerror or error}.", "Correct public_base_url or DNS.")
    return passed(f"{host} is {found[0][4][0]}")


def streamlit_upstream(subject: Subject) -> Finding:
    """The external Streamlit server responds."""
    upstream = subject.settings.streamlit_upstream
    if upstream is None:
        return skipped("Streamlit runs here.")
    remedy = "Start it, or correct streamlit_upstream, which ends with its server.baseUrlPath."
    try:
        if upstream.startswith("unix:"):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(TIMEOUT_S)
                connection.connect(upstream.removeprefix("unix:"))
            return passed(f"{upstream} accepts connections")
        if upstream.startswith("https:"):
            return _with_tls(subject, remedy)
        status, body, _ = _get(f"{upstream}/_stcore/health", direct=True)
    except OSError as error:
        return failed(f"{upstream} does not respond: {_reason(error)}.", remedy)
    if status != 200 or body.strip() != b"ok":
        return failed(f"{upstream}/_stcore/health returned {status}: it is not a Streamlit server.", remedy)
    return passed(f"{upstream} responds")


def _with_tls(subject: Subject, remedy: str) -> Finding:
    """Ask as the gateway does, with its authorities."""
    settings = subject.settings
    address = Address.parse(
        settings.streamlit_upstream or "",
        ca_file=settings.streamlit_upstream_ca_file or "",
        server_name=settings.streamlit_upstream_server_name or "",
    )
    try:
        status = asyncio.run(Upstream(address).probe("/_stcore/health", within=TIMEOUT_S))
    except UpstreamError as error:
        return failed(f"{error}.", remedy)
    return passed(f"{address} responds") if status == HTTPStatus.OK else failed(f"{address} returned {status}.", remedy)


def session_store(subject: Subject) -> Finding:
    """The store creates, reads, updates and deletes a session."""
    if subject.settings.session_store is None:
        return skipped("there is no session store.")
    store: Any = sessions.open_store(subject.settings)
    started = time.monotonic()
    try:
        works = _round_trip(store)
        risk: str = getattr(store, "advice", str)()  # a store of another package may not have it
    except Exception as error:  # noqa: BLE001  (another package's)
        return failed(
            f"{store.location} cannot be used: {error}", "Start it, or correct session_store and its password."
        )
    finally:
        store.close()
    seconds = time.monotonic() - started
    detail = f"{store.location}: six operations in {seconds * 1000:.0f} ms"
    if not works:
        return failed(f"{store.location} loses data.", "Check its log and its memory limit.")
    if risk:
        return warned(
            f"{detail}; but {risk}.", "Set maxmemory-policy to noeviction and appendonly to yes in its configuration."
        )
    if seconds > SLOW_STORE_S:
        return warned(f"{detail}, which delays every page.", "Move the store closer.")
    return passed(detail)


def _round_trip(store: Any) -> bool:
    store.ping()
    value = uuid.uuid4().hex
    session = store.create({"doctor": value})
    try:
        store.save(session, {"doctor": value, "again": True})
        found = store.read(session.id)
    finally:
        store.delete(session.id)
    intact = found is not None and dict(found.data) == {"doctor": value, "again": True}
    return intact and store.read(session.id) is None


def login(subject: Subject) -> Finding:
    """The settings of the login are complete."""
    found = subject.authenticators()
    if not found:
        return skipped("the application has no login.")
    return passed(", ".join(type(each).__name__ for each in found))


def identity_provider(subject: Subject) -> Finding:
    """The identity provider responds, with valid metadata and clock."""
    found = issuers(subject)
    if not found:
        return skipped("the application has no login with a provider.")
    for issuer, metadata_url in found.items():
        finding = _examine_issuer(issuer, metadata_url, subject.machine.now)
        if finding.status is not Status.PASS:
            return finding
    return passed(", ".join(found))


def _examine_issuer(issuer: str, metadata_url: str, now: Callable[[], float]) -> Finding:
    if _is_placeholder(issuer):
        return warned(f"{issuer} is a placeholder: users cannot log in.", "Set oidc_issuer to your provider.")
    address = metadata_url or f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        status, body, headers = _get(address)
        document = json.loads(body) if status == 200 else {}
        problem = f"{address} returned {status}."
        if status == 200:
            problem = metadata_problem(issuer, document, inside=metadata_url.startswith("http:"))
        # Elsewhere the keys are at an address that the login derives; the check `provider` asks for them.
        if not problem and not metadata_url and not json.loads(_get(document["jwks_uri"])[1])["keys"]:
            problem = f"{issuer} publishes no keys."
    except OSError as error:
        return failed(f"{address} does not respond: {_reason(error)}.", "Correct the issuer, or allow the connection.")
    except (ValueError, KeyError, TypeError, AttributeError):
        problem = f"{address} or its keys are not valid provider metadata."
    if problem:
        return failed(problem, "Correct the issuer, or the configuration of the provider.")
    if (skew := _skew(headers, now())) > MAX_SKEW_S:
        return failed(f"the clocks of {issuer} and this machine differ by {skew:.0f} s.", "Synchronise them with NTP.")
    return passed(issuer)


def _is_placeholder(issuer: str) -> bool:
    """Whether the name is reserved for documentation (RFC 2606)."""
    host = urlsplit(issuer).hostname or ""
    return bool(re.search(r"(^|\.)(example(\.(com|net|org))?|invalid)$", host))


def issuers(subject: Subject) -> Mapping[str, str]:
    """Return the issuers of the tokens that the application accepts.

    With the address of their metadata, empty for the usual place.
    """
    try:
        each = subject.authenticators()
    except FluxLitError:  # the check of the login reports it
        return {}
    named = [authenticator for authenticator in each if getattr(authenticator, "issuer", None)]
    return {str(getattr(one, "issuer", "")): str(getattr(one, "metadata_url", "")) for one in named}


def metadata_problem(issuer: str, document: Mapping[str, Any], *, inside: bool = False) -> str:
    """Return the problem of provider metadata, empty if there is none.

    After OpenID Connect Discovery 1.0.
    """
    if document.get("issuer") != issuer:
        return f"{issuer} has the issuer {document.get('issuer')!r}; both must be equal, including a slash at the end."
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        address = str(document.get(name) or "")
        if not address:
            return f"{issuer} has no {name}."
        if issuer.startswith("https:") and not inside and not address.startswith("https:"):
            return f"the {name} of {issuer} has no TLS: {address}."
    if "S256" not in document.get("code_challenge_methods_supported", ["S256"]):
        return f"{issuer} does not support PKCE with S256 (RFC 7636)."
    return ""


def _listen(host: str, port: int) -> None:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1)


def _get(url: str, *, direct: bool = False) -> tuple[int, bytes, Message]:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ValueError(url)
    handlers = [urllib.request.ProxyHandler({})] if direct else []
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(url, timeout=TIMEOUT_S) as response:
            return response.status, response.read(MAX_BYTES), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(MAX_BYTES), error.headers


def _reason(error: OSError) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason)


def _skew(headers: Message, now: float) -> float:
    try:
        return abs(parsedate_to_datetime(headers["Date"]).timestamp() - now)
    except (KeyError, TypeError, ValueError):
        return 0.0


def _listener(host: str, port: int, subject: Subject) -> str:
    near = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104  (compared, not bound)
    address = f"http://{near}:{port}{subject.settings.root_path}{subject.settings.api_mount_path}/healthz"
    try:
        ours = b'"ok"' in _get(address, direct=True)[1]
    except (OSError, ValueError):
        ours = False
    return f"{'a FluxLit' if ours else 'another program'} listens on {host}:{port} already"


CHECKS = (
    Check("host-address", "the address to listen on belongs to this machine", host_address),
    Check("port-free", "the port is free, and this user may listen on it", port_free),
    Check("public-name", "the public name resolves", public_name),
    Check("streamlit-upstream", "the external Streamlit server responds", streamlit_upstream),
    Check("session-store", "the session store stores sessions", session_store),
    Check("login", "the settings of the login are complete", login),
    Check("identity-provider", "the identity provider responds with valid metadata", identity_provider),
)
