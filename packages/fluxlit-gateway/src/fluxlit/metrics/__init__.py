"""Numbers about a running server: what is counted, and how Prometheus reads it."""

from fluxlit.metrics.catalogue import CATALOGUE, Family, Kind
from fluxlit.metrics.exposition import CONTENT_TYPE, exposition
from fluxlit.metrics.histogram import DELAYS, SECONDS, Histogram
from fluxlit.metrics.readings import Readings

__all__ = ["CATALOGUE", "CONTENT_TYPE", "DELAYS", "SECONDS", "Family", "Histogram", "Kind", "Readings", "exposition"]
