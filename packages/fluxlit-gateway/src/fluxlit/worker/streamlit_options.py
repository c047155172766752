"""Streamlit's configuration in a worker and in the embedded backend.

Order, strongest first:

1. what FluxLit must own, else the gateway and Streamlit disagree about addresses, protection or reloading;
2. the setting `streamlit_options`;
3. ``STREAMLIT_*`` environment variables. Streamlit reads them in its command line only, so they are read here;
4. ``config.toml``: in the home folder, the working directory, and beside the application;
5. FluxLit's soft defaults, which only fill in what is not set.

An owned key in `streamlit_options` is refused with its reason. In a ``config.toml`` or an environment variable, which
may be there for ``streamlit run``, it is overruled with a warning. Only ``server.trustedUserHeaders`` is refused there
too, in an application without a login: its pages would take every user for a visitor.

``browser.serverAddress`` is always set: without it Streamlit asks a public service for the machine's external address,
blocking the event loop, when a WebSocket's Origin is not its Host (``server_util.is_url_from_allowed_origins``). For
an Origin of `allowed_origins` that function asks even then, so the remembered answer is set as well.
"""

from __future__ import annotations

import difflib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from fluxlit._internal.header_names import OWN
from fluxlit.errors import Problem, SettingsError
from fluxlit.settings import Settings
from fluxlit.settings.provenance import Layer, Source
from fluxlit.streamlit import options as streamlit_options
from fluxlit.worker.worker_spec import WorkerSpec

logger = logging.getLogger("fluxlit.ui")

_PROTECTION = "Streamlit's CORS and XSRF protection stay on behind FluxLit. To admit another site, use allowed_origins."
_ADDRESS = "FluxLit knows its public address. Use public_base_url, gateway_host and gateway_port."
_SERVER = "FluxLit runs the server. Use gateway_host and gateway_port, and the TLS options of `fluxlit run`."
_RELOAD = "FluxLit reloads pages itself: use `fluxlit dev`."

USER_HEADERS = "server.trustedUserHeaders"

OWNED: Mapping[str, str] = {
    "browser.serverAddress": _ADDRESS,
    "browser.serverPort": _ADDRESS,
    "global.developmentMode": "It is for the development of Streamlit itself.",
    "server.address": _SERVER,
    "server.allowRunOnSave": _RELOAD,
    "server.baseUrlPath": "Use root_path.",
    "server.corsAllowedOrigins": "Use allowed_origins.",
    "server.enableCORS": _PROTECTION,
    "server.enableWebsocketCompression": "Use gateway_ws_compression, by which browser and worker compress.",
    "server.enableXsrfProtection": _PROTECTION,
    "server.fileWatcherType": _RELOAD,
    "server.headless": "There is no browser to open.",
    "server.port": _SERVER,
    "server.runOnSave": _RELOAD,
    "server.sslCertFile": _SERVER,
    "server.sslKeyFile": _SERVER,
    USER_HEADERS: "Headers that name a user never reach pages, since any client can send them. Use "
    "FluxLit(auth=TrustedProxy(...)) of fluxlit_auth, which fills st.user.",
    "server.websocketPingInterval": "Use gateway_ws_ping_interval_s.",
}
"""Keys that users may not set through `streamlit_options`, and what to do instead."""

# What is left alone when a config.toml has it: it has no effect in a worker.
_HARMLESS = {
    "server.address",
    "server.port",
    "server.headless",
    "server.sslCertFile",
    "server.sslKeyFile",
    "browser.serverAddress",
    "browser.serverPort",
    "server.fileWatcherType",
    "server.runOnSave",
}


def refuse_owned(options: Mapping[str, Any], source: Source) -> None:
    """Refuse keys of `streamlit_options` that FluxLit owns.

    Raises:
        SettingsError: naming each such key and what to do instead.
    """
    problems = [
        source.problem("streamlit_options", f"{key} cannot be set through streamlit_options. {OWNED[key]}")
        for key in options
        if key in OWNED
    ]
    if problems:
        raise SettingsError(problems)


def configure_streamlit(spec: WorkerSpec, environ: Mapping[str, str] = os.environ) -> None:
    """Set up Streamlit's configuration for this process. Imports Streamlit.

    Raises:
        SettingsError: an unknown key, or a value of the wrong type.
    """
    settings = spec.effective_settings()
    refuse_owned(settings.streamlit_options, Source(Layer.CODE, "streamlit_options"))
    streamlit_options.set_project_folder(spec.anchor)
    streamlit_options.load_options({})
    template = streamlit_options.option_templates()
    chosen = {**_from_environment(template, environ), **_from_settings(template, settings)}
    owned = owned_values(spec, settings)
    for key in sorted(OWNED.keys() - _HARMLESS):
        value = chosen.get(key, streamlit_options.get_option(key))
        if key == USER_HEADERS and not spec.login and names_users(value):
            variable = Source(Layer.ENVIRONMENT, template[key].env_var)
            source = variable if key in chosen else Source(Layer.FILE, ".streamlit/config.toml")
            raise SettingsError([source.problem(key, f"{key} cannot be set. {OWNED[key]}")])
        if (key in chosen or streamlit_options.is_set(key)) and value != owned.get(key, value):
            logger.warning("Streamlit's option %s=%r is not used: %s", key, value, OWNED[key])
    soft = {key: value for key, value in soft_defaults(spec).items() if not streamlit_options.is_set(key)}
    streamlit_options.load_options({**soft, **chosen, **owned})
    streamlit_options.never_look_up_external_address()


def owned_values(spec: WorkerSpec, settings: Settings) -> dict[str, Any]:
    """The values of the keys that FluxLit owns and that have an effect."""
    origins = list(settings.allowed_origins)
    host, port = spec.public_host, spec.public_port
    if settings.public_base_url:
        public = urlsplit(settings.public_base_url)
        origins.append(f"{public.scheme}://{public.netloc}")
        host, port = public.hostname or host, public.port or (443 if public.scheme == "https" else 80)
    return {
        "browser.serverAddress": host,
        "browser.serverPort": port,
        "global.developmentMode": False,
        "server.allowRunOnSave": False,
        "server.baseUrlPath": settings.root_path.strip("/"),
        "server.corsAllowedOrigins": list(dict.fromkeys(origins)),
        "server.enableCORS": True,
        "server.enableWebsocketCompression": False,
        "server.enableXsrfProtection": True,
        "server.fileWatcherType": "none",
        "server.headless": True,
        "server.runOnSave": False,
        USER_HEADERS: {},
    }


def names_users(headers: Any) -> bool:
    """Whether a value of this option names headers that never arrive.

    Those of FluxLit itself are for an external Streamlit, which may share the file.
    """
    return isinstance(headers, dict) and any(OWN not in name.lower().encode() for name in headers)


def soft_defaults(spec: WorkerSpec) -> dict[str, Any]:
    """What FluxLit sets where the user has set nothing."""
    shared = {"server.cookieSecret": spec.cookie_secret} if spec.cookie_secret else {}
    return {
        **shared,
        "browser.gatherUsageStats": False,
        "client.showErrorDetails": "full" if spec.development else "none",
        # "viewer" is the menu without the Deploy button, as visitors of an adopted script have it without FluxLit.
        "client.toolbarMode": "viewer" if spec.development or spec.script else "minimal",
        "logger.enableRich": False,  # a traceback is a log record, not a drawing
        "logger.level": spec.settings.get("log_level", "info"),
        "runner.parallelMaxWorkers": _fragment_threads(),
        "runner.postScriptGC": False,  # see fluxlit.worker.garbage_collection
    }


def _fragment_threads() -> int:
    """The default size of a thread pool.

    Streamlit makes a pool for each run, and Python reads a file for its size.
    """
    processors: Callable[[], int | None] = getattr(os, "process_cpu_count", os.cpu_count)  # as Python 3.13 counts them
    return min(32, (processors() or 1) + 4)


def _from_settings(template: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    problems = list(_unknown(template, settings.streamlit_options))
    if problems:
        raise SettingsError(problems)
    return dict(settings.streamlit_options)


def _unknown(template: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[Problem]:
    for key in options:
        if key not in template:
            close = difflib.get_close_matches(key, template, n=1)
            hint = f" Did you mean {close[0]}?" if close else " `streamlit config show` lists all."
            yield Problem("streamlit_options", f"Streamlit has no option {key}.{hint}", "streamlit_options")
        elif template[key].sensitive:
            message = f"{key} is a secret: set the environment variable {template[key].env_var} instead."
            yield Problem("streamlit_options", message, "streamlit_options")


def _from_environment(template: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    problems = []
    for key, option in template.items():
        text = environ.get(option.env_var)
        if not text or option.sensitive:  # Streamlit reads secrets from the environment by itself
            continue
        try:
            chosen[key] = _parse(option, text)
        except ValueError:
            kind = "a JSON object" if isinstance(option.default_val, dict) else option.type.__name__
            source = Source(Layer.ENVIRONMENT, option.env_var)
            problems.append(source.problem(key, f"{text!r} is not {kind}, as Streamlit's {key} must be."))
    if problems:
        raise SettingsError(problems)
    return chosen


def _parse(option: Any, text: str) -> Any:
    if isinstance(option.default_val, dict):
        return json.loads(text)
    convert: Callable[[str], Any] = _boolean if option.type is bool else option.type
    # Streamlit's command line (click) splits lists at white space.
    return [convert(part) for part in text.split()] if option.multiple else convert(text)


def _boolean(text: str) -> bool:
    words = {"1": True, "true": True, "t": True, "yes": True, "y": True, "on": True}
    words |= {"0": False, "false": False, "f": False, "no": False, "n": False, "off": False}
    if text.strip().lower() not in words:
        raise ValueError(text)
    return words[text.strip().lower()]
