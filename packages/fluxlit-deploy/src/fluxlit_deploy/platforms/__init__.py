"""Files for systemd and for platforms that run containers."""

from fluxlit_deploy.platforms.check import check
from fluxlit_deploy.platforms.generate import platform_files

__all__ = ["check", "platform_files"]
