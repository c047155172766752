# ruff: noqa: PLC0415, SLF001
"""Streamlit's options, and the folder of its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fluxlit.streamlit.feature import Feature, When

OPTIONS = Feature(
    "its options",
    off="Nothing can be served.",
    names=(
        "streamlit.config:get_config_options",
        "streamlit.config:get_option",
        "streamlit.config:is_manually_set",
        "streamlit.config_option:ConfigOption.default_val",
        "streamlit.config_option:ConfigOption.env_var",
        "streamlit.config_option:ConfigOption.multiple",
        "streamlit.config_option:ConfigOption.sensitive",
        "streamlit.config_option:ConfigOption.type",
    ),
    required=(When.ALWAYS,),
)

PROJECT_FOLDER = Feature(
    "the application's folder",
    off="The files .streamlit/config.toml and .streamlit/secrets.toml beside an application are not read; "
    "those in the working directory are.",
    names=("streamlit.config:_main_script_path",),
)

FRESH_OPTIONS = Feature(
    "options that are read again",
    off="Streamlit may log that changed server options need a restart, which is not so.",
    names=("streamlit.config:_config_options",),
)

EXTERNAL_ADDRESS = Feature(
    "no look-up of the external address",
    off="When a page is opened under an origin of allowed_origins, Streamlit asks a public service for the address "
    "of this machine, and its event loop waits for that.",
    names=("streamlit.net_util:_external_ip",),
)


def set_project_folder(anchor: str) -> None:
    """Set the application's folder, as ``streamlit run`` does, by a file."""

    def set_anchor() -> None:
        from streamlit import config

        config._main_script_path = anchor

    PROJECT_FOLDER.attempt(set_anchor, None)


def option_templates() -> Mapping[str, Any]:
    """Every option by key, with type, default and environment variable."""
    from streamlit import config

    return config.get_config_options()


def load_options(options: Mapping[str, Any]) -> None:
    """Read ``config.toml`` and lay `options` over it."""
    from streamlit import config

    def forget() -> None:  # else Streamlit warns that a server would need a restart
        config._config_options = None

    FRESH_OPTIONS.attempt(forget, None)
    config.get_config_options(force_reparse=True, options_from_flags=dict(options))


def get_option(key: str) -> Any:
    """The value of an option."""
    from streamlit import config

    return config.get_option(key)


def is_set(key: str) -> bool:
    """Whether the user has set an option in a file or in a variable."""
    from streamlit import config

    return bool(config.is_manually_set(key))


def never_look_up_external_address() -> None:
    """Set the cached result of a blocking request to the internet.

    It is an address that is allowed anyway.
    """

    def remember() -> None:
        from streamlit import net_util

        net_util._external_ip = "127.0.0.1"

    EXTERNAL_ADDRESS.attempt(remember, None)
