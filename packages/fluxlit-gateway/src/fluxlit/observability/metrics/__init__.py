"""Numbers about a running server: what is counted, and how Prometheus reads it."""

from fluxlit.observability.metrics.catalogue import CATALOGUE, Family, Kind
from fluxlit.observability.metrics.exposition import CONTENT_TYPE, exposition
from fluxlit.observability.metrics.histogram import DELAYS, SECONDS, Histogram
from fluxlit.observability.metrics.samples import Readings

__all__ = ["CATALOGUE", "CONTENT_TYPE", "DELAYS", "SECONDS", "Family", "Histogram", "Kind", "Readings", "exposition"]
