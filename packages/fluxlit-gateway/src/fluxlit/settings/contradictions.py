"""Settings that are valid one by one and contradict each other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from urllib.parse import urlsplit

from fluxlit.errors import Problem
from fluxlit.settings.model import Settings
from fluxlit.settings.provenance import Layer, Source


def contradictions(
    settings: Settings, sources: Mapping[str, Source], broken: Collection[str] = ()
) -> Iterator[Problem]:
    """Yield a problem for each contradiction.

    Args:
        settings: the effective settings.
        sources: their sources.
        broken: settings with an invalid value; rules that involve them are skipped.
    """
    for names, rule in _RULES:
        if not set(names) & set(broken):
            yield from rule(settings, sources)


def _external_needs_upstream(settings: Settings, sources: Mapping[str, Source]) -> Iterator[Problem]:
    if settings.streamlit_mode == "external" and settings.streamlit_upstream is None:
        yield sources["streamlit_mode"].problem(
            "streamlit_mode",
            'streamlit_mode is "external", but streamlit_upstream is not set; set it to the address of the '
            'running Streamlit, for example "http://127.0.0.1:8501"',
        )


def _upstream_needs_external(settings: Settings, sources: Mapping[str, Source]) -> Iterator[Problem]:
    if settings.streamlit_upstream is not None and settings.streamlit_mode != "external":
        yield sources["streamlit_mode"].problem(
            "streamlit_mode",
            f'streamlit_mode is "{settings.streamlit_mode}", but streamlit_upstream '
            f"({sources['streamlit_upstream'].where}) is the address of an external Streamlit server; "
            f'remove one of the two, or set streamlit_mode to "external"',
        )


def _certificate_needs_tls(settings: Settings, sources: Mapping[str, Source]) -> Iterator[Problem]:
    for name in ("streamlit_upstream_ca_file", "streamlit_upstream_server_name"):
        if getattr(settings, name) is not None and not (settings.streamlit_upstream or "").startswith("https:"):
            yield sources[name].problem(
                name,
                f"{name} is for the certificate of an upstream with TLS; set streamlit_upstream "
                f'({sources["streamlit_upstream"].where}) to an "https://" address, or remove it',
            )


def _workers_need_workers_mode(settings: Settings, sources: Mapping[str, Source]) -> Iterator[Problem]:
    if settings.streamlit_workers > 1 and settings.streamlit_mode != "workers":
        yield sources["streamlit_workers"].problem(
            "streamlit_workers",
            f'streamlit_workers is {settings.streamlit_workers}, but streamlit_mode is "{settings.streamlit_mode}" '
            f"({sources['streamlit_mode'].where}), which starts no workers; remove one of the two",
        )


def _memory_is_not_shared(settings: Settings, sources: Mapping[str, Source]) -> Iterator[Problem]:
    if settings.streamlit_workers > 1 and (settings.session_store or "").startswith("memory:"):
        yield sources["session_store"].problem(
            "session_store",
            f"session_store keeps sessions in the memory of one process, but streamlit_workers is "
            f"{settings.streamlit_workers} ({sources['streamlit_workers'].where}); use a shared store, such as "
            f'"sqlite:///sessions.db"',
        )


def _api_memory_is_not_shared(settings: Settings, sources: Mapping[str, Source]) -> Iterator[Problem]:
    if settings.api_workers and (settings.session_store or "").startswith("memory:"):
        yield sources["session_store"].problem(
            "session_store",
            f"session_store keeps sessions in the memory of one process, but the API runs in processes of its own "
            f"(api_workers is {settings.api_workers}, {sources['api_workers'].where}); use a shared store, such as "
            f'"sqlite:///sessions.db"',
        )


def _public_path_is_root_path(settings: Settings, sources: Mapping[str, Source]) -> Iterator[Problem]:
    path = urlsplit(settings.public_base_url).path
    if settings.public_base_url and path != settings.root_path:
        yield sources["public_base_url"].problem(
            "public_base_url",
            f'public_base_url has the path "{path}", but root_path ({sources["root_path"].where}) is '
            f'"{settings.root_path}"; both are the public prefix of the application and must be equal',
        )


def _one_listener(settings: Settings, sources: Mapping[str, Source]) -> Iterator[Problem]:
    if settings.gateway_uds is not None and settings.gateway_fd is not None:
        yield sources["gateway_fd"].problem(
            "gateway_fd",
            f"gateway_fd is a socket to listen on, and gateway_uds ({sources['gateway_uds'].where}) another; "
            f"remove one of the two",
        )


def _ports_differ(settings: Settings, sources: Mapping[str, Source]) -> Iterator[Problem]:
    listens_on_port = settings.gateway_uds is None and settings.gateway_fd is None
    if settings.admin_port and settings.admin_port == settings.gateway_port and listens_on_port:
        yield sources["admin_port"].problem(
            "admin_port",
            f"admin_port is {settings.admin_port}, as is gateway_port ({sources['gateway_port'].where}); metrics and "
            f"status are not public, so they need their own port",
        )


def _unix_peers_are_trusted(settings: Settings, sources: Mapping[str, Source]) -> Iterator[Problem]:
    if settings.trust_proxy and settings.gateway_uds and not {"unix", "*"} & set(settings.forwarded_allow_ips):
        yield sources["forwarded_allow_ips"].problem(
            "forwarded_allow_ips",
            f"forwarded_allow_ips trusts addresses, but clients of gateway_uds "
            f'({sources["gateway_uds"].where}) have none; add "unix"',
        )


def login_needs_key(settings: Settings) -> str | None:
    """Return the problem of a login with a store and no key.

    The rule is the same for all authenticators and all stores outside the memory of this process. A process that can
    write to one could invent the login or the session of any user; with `secret_key` only this application can write
    what it accepts.
    """
    scheme = (settings.session_store or "memory:").partition(":")[0].lower()
    if settings.secret_key or scheme == "memory":
        return None
    return (
        f"session_store: a login with a session store ({scheme}://) needs secret_key. Without it, anything that "
        f"can write to the store can sign in as any user. Set FLUXLIT_SECRET_KEY, the same for all replicas; make one "
        f"with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
    )


def select_mode(settings: Settings, sources: Mapping[str, Source]) -> tuple[Settings, Mapping[str, Source]]:
    """Let an upstream select the external mode, unless a layer names a mode."""
    if settings.streamlit_upstream is None or sources["streamlit_mode"].layer is not Layer.DEFAULT:
        return settings, sources
    external = settings.model_copy(update={"streamlit_mode": "external"})
    return external, {**sources, "streamlit_mode": sources["streamlit_upstream"]}


_RULES = (
    (("streamlit_mode", "streamlit_upstream"), _external_needs_upstream),
    (("streamlit_mode", "streamlit_upstream"), _upstream_needs_external),
    (("streamlit_upstream", "streamlit_upstream_ca_file", "streamlit_upstream_server_name"), _certificate_needs_tls),
    (("streamlit_mode", "streamlit_upstream", "streamlit_workers"), _workers_need_workers_mode),
    (("session_store", "streamlit_workers"), _memory_is_not_shared),
    (("session_store", "api_workers"), _api_memory_is_not_shared),
    (("gateway_uds", "gateway_fd"), _one_listener),
    (("admin_port", "gateway_port", "gateway_uds", "gateway_fd"), _ports_differ),
    (("trust_proxy", "gateway_uds", "forwarded_allow_ips"), _unix_peers_are_trusted),
    (("public_base_url", "root_path"), _public_path_is_root_path),
)
