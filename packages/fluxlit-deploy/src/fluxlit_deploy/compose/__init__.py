"""Compose: the application, its Redis and its edge on one machine."""

from fluxlit_deploy.compose.check import check
from fluxlit_deploy.compose.generate import compose_files

__all__ = ["check", "compose_files"]
