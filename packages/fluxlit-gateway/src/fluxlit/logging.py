"""Log lines for people and for machines, without secrets in them."""

from fluxlit.observability.logs.formatters import JsonLogFormatter
from fluxlit.observability.logs.redaction import redact

__all__ = ["JsonLogFormatter", "redact"]
