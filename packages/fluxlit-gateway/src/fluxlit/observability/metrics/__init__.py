"""Metrics in the format of Prometheus."""

from fluxlit.observability.metrics.catalogue import CATALOGUE, Family, Kind
from fluxlit.observability.metrics.exposition import CONTENT_TYPE, exposition
from fluxlit.observability.metrics.histogram import DELAYS, SECONDS, Histogram
from fluxlit.observability.metrics.samples import Samples

__all__ = ["CATALOGUE", "CONTENT_TYPE", "DELAYS", "SECONDS", "Family", "Histogram", "Kind", "Samples", "exposition"]
