"""One command-line option for every setting, made from its declaration.

Options are strings; values are validated once, where all layers are merged, so that an invalid port gives the
same message from a flag, a variable or a file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import typer

from fluxlit.settings import Settings, describe
from fluxlit_cli import output
from fluxlit_cli.commands import SHOW_ALL

COMMON = {
    "gateway_host": ("--host ADDRESS", "Address to listen on"),
    "gateway_port": ("--port PORT", "Port to listen on; 0 selects a free one"),
    "streamlit_workers": ("--workers N|auto", "Worker processes for Streamlit"),
    "api_workers": ("--api-workers N|auto", "Worker processes for the API; 0: none"),
    "tls_certificate": ("--tls-certificate FILE", "Certificate for HTTPS, PEM"),
    "tls_key": ("--tls-key FILE", "Its private key, PEM"),
    "root_path": ("--root-path PATH", "Public prefix, such as /apps/portal"),
    "public_base_url": ("--public-base-url URL", "Address that browsers use"),
    "trust_proxy": ("--trust-proxy", "Trust forwarding headers of proxies"),
    "forwarded_allow_ips": ("--forwarded-allow-ips A,B", "Proxies to trust"),
    "session_store": ("--session-store URL", "Store of sessions, such as redis://host"),
    "log_level": ("--log-level LEVEL", "Lowest level that is logged"),
    "enable_gateway_access_log": ("--access-log", "Log each request"),
}
"""The settings in the short help of servers, with their options and texts."""

# The panel of a setting in the long help, by the longest prefix of its name.
_PANELS = {
    "": "Application",
    "gateway_": "Limits and timeouts",
    "gateway_host": "Listening",
    "gateway_port": "Listening",
    "gateway_uds": "Listening",
    "gateway_fd": "Listening",
    "gateway_via": "Public address",
    "gateway_ws": "WebSockets",
    "uvicorn_graceful": "Limits and timeouts",
    "api_": "API",
    "api_shutdown": "Limits and timeouts",
    "tls_": "HTTPS",
    "pidfile": "Listening",
    "admin_": "Admin listener",
    "log_": "Logs and tracing",
    "enable_": "Logs and tracing",
    "root_path": "Public address",
    "api_mount_path": "Public address",
    "public_": "Public address",
    "public_paths": "Login",
    "trust_proxy": "Public address",
    "forwarded_": "Public address",
    "allowed_origins": "Browser security",
    "enable_security_headers": "Browser security",
    "frame_options": "Browser security",
    "referrer_policy": "Browser security",
    "hsts_": "Browser security",
    "cors_": "Browser security",
    "streamlit_": "Streamlit",
    "worker_": "Workers",
    "session_": "Sessions",
    "restore_": "Sessions",
    "url_session": "Sessions",
    "secret_key": "Sessions",
    "oidc_": "Login",
    "login_": "Login",
}

_METAVARS = {"int": "INTEGER", "float": "SECONDS", "list": "A,B,...", "table": "JSON", "str": "TEXT"}


def with_settings(command: Callable[..., int]) -> Callable[..., int]:
    """Add an option for every setting to a command.

    The command receives the options that were given as `flags`. Its own parameters come first.
    """
    own = [each for each in inspect.signature(command, eval_str=True).parameters.values() if each.name != "flags"]
    added = [_parameter(setting) for setting in describe.SETTINGS if setting != "target"]
    help_all = inspect.Parameter("help_all", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_HelpAll)

    def run(**values: Any) -> int:
        del values["help_all"]
        flags = {each.name: values.pop(each.name) for each in added}
        return command(**values, flags={name: value for name, value in flags.items() if value is not None})

    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    run.__signature__ = inspect.Signature([*own, help_all, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in (*own, help_all, *added)}
    return run


def panel_of(setting: str) -> str:
    """Return the panel of a setting in the long help and in the reference."""
    return _PANELS[max((prefix for prefix in _PANELS if setting.startswith(prefix)), key=len)]


def _show_all(context: typer.Context, wanted: bool) -> None:  # noqa: FBT001  (Typer calls it)
    if wanted and not context.resilient_parsing:
        context.meta[SHOW_ALL] = True
        output.write(context.get_help())
        raise typer.Exit


_HelpAll = Annotated[
    bool, typer.Option("--help-all", help="Show all options and exit.", is_eager=True, callback=_show_all)
]


def spell(flags: Mapping[str, object]) -> list[str]:
    """Return the command-line words for settings."""
    words: list[str] = []
    for setting, value in flags.items():
        name = describe.flag_name(setting)
        words += [name if value else _negated(name)] if isinstance(value, bool) else [name, str(value)]
    return words


def _parameter(setting: str) -> inspect.Parameter:
    kind = describe.kind(setting)
    names = (describe.flag_name(setting), *describe.flag_aliases(setting))
    if kind == "bool":
        names = tuple(f"{name}/{_negated(name)}" for name in names)
    metavar = "|".join(describe.choices(setting)) if kind == "choice" else _METAVARS.get(kind)
    complete = completion(describe.choices(setting)) if kind == "choice" else None
    option = typer.Option(
        *names,
        help=_help(setting),
        metavar=metavar,
        show_default=False,
        rich_help_panel=panel_of(setting),
        autocompletion=complete,
    )
    annotation: Any = Annotated[bool | None, option] if kind == "bool" else Annotated[str | None, option]
    return inspect.Parameter(setting, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def completion(values: Iterable[str]) -> Callable[[str], list[str]]:
    """Return a function that completes a word to these values."""

    def complete(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete)]

    return complete


def _negated(flag: str) -> str:
    return f"--no-{flag.removeprefix('--')}"


def summary(setting: str) -> tuple[str, str]:
    """Return the option of a common setting and its text for the short help."""
    option, text = COMMON[setting]
    return option, f"{text}.{_default(setting)}"


def _help(setting: str) -> str:
    return f"{(Settings.model_fields[setting].description or '').replace('`', '')}{_default(setting)}"


def _default(setting: str) -> str:
    default = Settings.model_fields[setting].default
    return "" if default in (None, "", (), {}, False) else f" [default: {_plain(default)}]"


def _plain(default: object) -> str:
    if isinstance(default, bool):
        return "on"
    return ",".join(default) if isinstance(default, tuple) else str(default)
