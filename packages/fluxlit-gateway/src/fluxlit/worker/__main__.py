"""The beginning of a worker process, which is mostly importing.

The worker may run before the gateway knows its application. What it will need in any case it imports at once; then it
waits for its specification.
"""

from __future__ import annotations

import sys

from fluxlit._internal.garbage_collection import collection_paused
from fluxlit.supervisor.lifeline import Lifeline


def main() -> int:
    """Run one worker; returns the exit code."""
    try:
        lifeline = Lifeline.adopt()
    except OSError:
        print("fluxlit.worker is started by the gateway. Run `fluxlit run` instead.", file=sys.stderr)  # noqa: T201
        return 2
    with collection_paused():
        from fluxlit.streamlit.application import import_streamlit  # noqa: PLC0415  # heavy, as is the other

        import_streamlit()
        from fluxlit.worker.base import work  # noqa: PLC0415
        from fluxlit.worker.program import Worker  # noqa: PLC0415

    return work(lifeline, Worker)


if __name__ == "__main__":
    sys.exit(main())
