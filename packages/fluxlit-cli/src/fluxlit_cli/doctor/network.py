"""Checks of addresses, and of the services that an application needs: session store, identity provider, upstream."""

from __future__ import annotations

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
from typing import Any
from urllib.parse import urlsplit

from fluxlit import sessions
from fluxlit.errors import FluxLitError
from fluxlit_cli.doctor.check import Check, Outcome, Status, failed, passed, skipped, warned
from fluxlit_cli.doctor.subject import Subject

ANSWER_S = 5.0
SLOW_STORE_S = 0.5
MOST_BYTES = 1_000_000
# Tokens are commonly accepted for a minute beside the clock (RFC 7519 section 4.1.4).
MOST_SKEW_S = 30


def host_address(subject: Subject) -> Outcome:
    """The address to listen on is one of this machine."""
    host = subject.settings.gateway_host
    try:
        _listen(host, 0)
    except OSError as error:
        return failed(
            f"{host} cannot be listened on: {error.strerror or error}.",
            "Set gateway_host to an address of this machine, 127.0.0.1 or 0.0.0.0.",
        )
    return passed(host)


def port_free(subject: Subject) -> Outcome:
    """Nobody listens on the port, and this user may."""
    host, port = subject.settings.gateway_host, subject.settings.gateway_port
    if port == 0:
        return passed("the system chooses one")
    try:
        _listen(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return failed(f"{_told(host, port, subject)}.", "Stop it, or choose another port: --port, gateway_port.")
        if isinstance(error, PermissionError):
            return failed(f"this user may not listen on port {port}.", "Choose a port above 1023, or allow this one.")
        return skipped("the address itself is wrong, see host-address.")
    return passed(f"{host}:{port}")


def public_name(subject: Subject) -> Outcome:
    """The name in the public address is known to DNS."""
    host = urlsplit(subject.settings.public_base_url).hostname
    if not host:
        return skipped("public_base_url is not set.")
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return warned(f"{host} has no address here: {error.strerror or error}.", "Correct public_base_url, or the DNS.")
    return passed(f"{host} is {found[0][4][0]}")


def streamlit_upstream(subject: Subject) -> Outcome:
    """The Streamlit that runs elsewhere answers."""
    upstream = subject.settings.streamlit_upstream
    if upstream is None:
        return skipped("Streamlit runs here.")
    remedy = "Start it, or correct streamlit_upstream; its server.baseUrlPath belongs at the end."
    try:
        if upstream.startswith("unix:"):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(ANSWER_S)
                connection.connect(upstream.removeprefix("unix:"))
            return passed(f"{upstream} accepts connections")
        status, body, _ = _get(f"{upstream}/_stcore/health", direct=True)
    except OSError as error:
        return failed(f"{upstream} does not answer: {_reason(error)}.", remedy)
    if status != 200 or body.strip() != b"ok":
        return failed(f"{upstream}/_stcore/health answers {status}, which no Streamlit does.", remedy)
    return passed(f"{upstream} answers")


def session_store(subject: Subject) -> Outcome:
    """A session can be written, read, changed and ended in the store."""
    if subject.settings.session_store is None:
        return skipped("there is no session store.")
    store: Any = sessions.open_store(subject.settings)
    started = time.monotonic()
    try:
        kept = _keeps(store)
    except Exception as error:  # noqa: BLE001  (another package's)
        return failed(
            f"{store.location} cannot be used: {error}", "Start it, or correct session_store and its password."
        )
    finally:
        store.close()
    seconds = time.monotonic() - started
    told = f"{store.location}: six operations in {seconds * 1000:.0f} ms"
    if not kept:
        return failed(f"{store.location} does not keep what is written.", "Look at its log and its memory limit.")
    if seconds > SLOW_STORE_S:
        return warned(f"{told}, which every page waits for.", "Move the store nearer.")
    return passed(told)


def _keeps(store: Any) -> bool:
    store.ping()
    mark = uuid.uuid4().hex
    session = store.create({"doctor": mark})
    try:
        store.save(session, {"doctor": mark, "again": True})
        found = store.read(session.id)
    finally:
        store.delete(session.id)
    kept = found is not None and dict(found.data) == {"doctor": mark, "again": True}
    return kept and store.read(session.id) is None


def login(subject: Subject) -> Outcome:
    """Whoever tells the users has all that it takes."""
    found = subject.authenticators()
    if not found:
        return skipped("the application has no login.")
    return passed(", ".join(type(each).__name__ for each in found))


def identity_provider(subject: Subject) -> Outcome:
    """The provider answers, is who it says it is, and its clock is ours."""
    found = issuers(subject)
    if not found:
        return skipped("the application has no login at a provider.")
    for issuer in found:
        outcome = _examine_issuer(issuer, subject.machine.now)
        if outcome.status is not Status.PASS:
            return outcome
    return passed(", ".join(found))


def _examine_issuer(issuer: str, now: Callable[[], float]) -> Outcome:
    if _is_placeholder(issuer):
        return warned(f"{issuer} is a placeholder: nobody can log in.", "Set oidc_issuer to your provider.")
    address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        status, body, headers = _get(address)
        document = json.loads(body) if status == 200 else {}
        problem = wrong_metadata(issuer, document) if status == 200 else f"{address} answers {status}."
        if not problem and not json.loads(_get(document["jwks_uri"])[1])["keys"]:
            problem = f"{issuer} publishes no keys."
    except OSError as error:
        return failed(f"{address} does not answer: {_reason(error)}.", "Correct the issuer, or open the way there.")
    except (ValueError, KeyError, TypeError, AttributeError):
        problem = f"{address} and its keys are not what a provider answers."
    if problem:
        return failed(problem, "Correct the issuer, or have the provider corrected.")
    if (skew := _skew(headers, now())) > MOST_SKEW_S:
        return failed(f"the clocks of {issuer} and this machine differ by {skew:.0f} s.", "Let NTP set the clock.")
    return passed(issuer)


def _is_placeholder(issuer: str) -> bool:
    """Recognise names that are for documentation only (RFC 2606)."""
    host = urlsplit(issuer).hostname or ""
    return bool(re.search(r"(^|\.)(example(\.(com|net|org))?|invalid)$", host))


def issuers(subject: Subject) -> tuple[str, ...]:
    """Return the issuers whose tokens the application accepts."""
    try:
        each = subject.authenticators()
    except FluxLitError:  # the check of the login says so
        return ()
    found = (getattr(authenticator, "issuer", None) for authenticator in each)
    return tuple(dict.fromkeys(str(issuer) for issuer in found if issuer))


def wrong_metadata(issuer: str, document: Mapping[str, Any]) -> str:
    """Say in one sentence what is wrong with a provider's metadata (OpenID Connect Discovery 1.0), if anything is."""
    if document.get("issuer") != issuer:
        return f"{issuer} calls itself {document.get('issuer')!r}; the two must be equal, a slash at the end included."
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        address = str(document.get(name) or "")
        if not address:
            return f"{issuer} names no {name}."
        if issuer.startswith("https:") and not address.startswith("https:"):
            return f"the {name} of {issuer} is without TLS: {address}."
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
        with opener.open(url, timeout=ANSWER_S) as answer:
            return answer.status, answer.read(MOST_BYTES), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(MOST_BYTES), error.headers


def _reason(error: OSError) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason)


def _skew(headers: Message, now: float) -> float:
    try:
        return abs(parsedate_to_datetime(headers["Date"]).timestamp() - now)
    except (KeyError, TypeError, ValueError):
        return 0.0


def _told(host: str, port: int, subject: Subject) -> str:
    near = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104  # only told apart here
    address = f"http://{near}:{port}{subject.settings.root_path}{subject.settings.api_mount_path}/healthz"
    try:
        ours = b'"ok"' in _get(address, direct=True)[1]
    except (OSError, ValueError):
        ours = False
    return f"{'a FluxLit' if ours else 'another program'} listens on {host}:{port} already"


CHECKS = (
    Check("host-address", "the address to listen on is one of this machine", host_address),
    Check("port-free", "nobody listens on the port, and this user may", port_free),
    Check("public-name", "the public name is known to DNS", public_name),
    Check("streamlit-upstream", "the Streamlit elsewhere answers", streamlit_upstream),
    Check("session-store", "the session store keeps what is written", session_store),
    Check("login", "the login has the settings that it needs", login),
    Check("identity-provider", "the identity provider answers, and its metadata are sane", identity_provider),
)
