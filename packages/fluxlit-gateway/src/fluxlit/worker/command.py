"""How a worker process is started. It stands alone so that one can be started before anything else is imported."""

from __future__ import annotations

import sys

from fluxlit.supervisor import Command

WORKER = Command([sys.executable, "-m", "fluxlit.worker"], environment={"PYTHONUNBUFFERED": "1"})
