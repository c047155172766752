"""Former name of `fluxlit.worker.external_pages`.

Kept for scripts that import it.
"""

from fluxlit.worker.external_pages import run_pages

__all__ = ["run_pages"]
