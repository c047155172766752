"""The settings and the layers that set them."""

from fluxlit.settings.arguments import SettingsArguments
from fluxlit.settings.layers import Given
from fluxlit.settings.model import Settings
from fluxlit.settings.provenance import Layer, Source
from fluxlit.settings.resolution import Resolved, ResolvedTarget, resolve, resolve_target

__all__ = [
    "Given",
    "Layer",
    "Resolved",
    "ResolvedTarget",
    "Settings",
    "SettingsArguments",
    "Source",
    "resolve",
    "resolve_target",
]
