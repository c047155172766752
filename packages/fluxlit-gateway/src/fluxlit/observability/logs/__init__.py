"""Log lines for people and for machines, without secrets in them."""

from fluxlit.observability.logs.configuration import configure
from fluxlit.observability.logs.formatters import JsonLogFormatter, TerminalLogFormatter
from fluxlit.observability.logs.redaction import RedactionFilter, redact, redact_headers

__all__ = [
    "JsonLogFormatter",
    "RedactionFilter",
    "TerminalLogFormatter",
    "configure",
    "redact",
    "redact_headers",
]
