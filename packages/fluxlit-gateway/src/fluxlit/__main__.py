"""`python -m fluxlit`: the command of fluxlit-cli, if that is installed."""

from __future__ import annotations

import importlib.util
import runpy
import sys

COMMAND = "fluxlit_cli"
MISSING = (
    "error: `python -m fluxlit` is the fluxlit command, which comes with the distribution fluxlit-cli, and that is not "
    "installed. `python -m uvicorn app:app` serves an application without it."
)


def main() -> None:
    """Run the command, or report where it is from."""
    if importlib.util.find_spec(COMMAND) is None:
        sys.exit(MISSING)
    runpy.run_module(COMMAND, run_name="__main__")


if __name__ == "__main__":
    main()
