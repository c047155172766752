"""Where a value came from."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from fluxlit.errors import Problem


class Layer(enum.Enum):
    """The layers of configuration, strongest first."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    DOTENV = ".env"
    FILE = "file"
    CODE = "code"
    DEFAULT = "default"


@dataclass(frozen=True)
class Source:
    """The layer that decided a value, and the place in it.

    Attributes:
        layer: the layer.
        where: ``--port``, ``FLUXLIT_GATEWAY_PORT``, ``.env:3``, ``fluxlit.toml:3``, ``FluxLit(...)`` or ``default``.
    """

    layer: Layer
    where: str

    def problem(self, setting: str, message: str) -> Problem:
        """A problem of the value that stands here."""
        return Problem(setting, message, self.where, in_file=self.layer not in (Layer.FLAG, Layer.ENVIRONMENT))
