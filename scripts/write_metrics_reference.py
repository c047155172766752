"""Write docs/reference/metrics.md from the catalogue of metrics."""

from pathlib import Path

from fluxlit.observability.metrics import CATALOGUE, DELAYS, SECONDS, Family

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference" / "metrics.md"

HEAD = """# Metrics

<!-- Written by `hatch run types:reference` from the catalogue in `fluxlit.observability.metrics`; do not edit. -->

`/metrics` of the admin listener shows the metrics in Prometheus's text format, version 0.0.4. The listener is a UNIX
socket that only the server's user can reach, and a port if [admin_port](settings.md#admin_port) is set. It is never the
public port. [Operate](../how-to/operate.md#read-metrics) shows how to read it.

Counting costs about a microsecond per request. The counters of the workers are fetched when the metrics are read.
"""

TAIL = """## Labels

| label | values |
|---|---|
| `code` | the status of the response. 499: the client disconnected before. `other`: not a valid status |
| `route` | `api`, `ui`, `asset` (Streamlit's front end), `liveness`, `readiness`, `api docs` (redirects to them), \
`entrance` (login), `closed`, `none` (redirects to the public mount) |
| `worker` | number of the worker; `embedded` or `external` without workers |
| `process` | `gateway`, or `worker` with its number |
| `store`, `operation`, `outcome` | kind of session store, kind of operation, and `ok`, `missing`, `conflict`, \
`unavailable` or `error` |

A worker that is restarted or replaced keeps its number, and its counters continue.
"""


def reference() -> str:
    """Return the whole page."""
    rows = ["| name | kind | labels | meaning |", "|---|---|---|---|", *map(_row, CATALOGUE)]
    return "\n".join([HEAD, *rows, "", _bounds(), "", TAIL]).rstrip() + "\n"


def _row(family: Family) -> str:
    labels = ", ".join(f"`{label}`" for label in family.labels) or "none"
    return f"| `{family.name}` | {family.kind.value} | {labels} | {family.help} |"


def _bounds() -> str:
    seconds, delays = (", ".join(f"{bound:g}" for bound in bounds) for bounds in (SECONDS, DELAYS))
    return (
        f"The buckets of histograms end at {seconds} seconds; those of `fluxlit_event_loop_delay_seconds` at {delays}."
    )


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
