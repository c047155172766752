"""Log lines for people and for machines, without secrets in them."""

from fluxlit.observability.logs.configuration import attach, configure, dict_config
from fluxlit.observability.logs.formatters import JsonLogFormatter, TerminalLogFormatter
from fluxlit.observability.logs.redaction import RedactionFilter, redact, redact_headers

__all__ = [
    "JsonLogFormatter",
    "RedactionFilter",
    "TerminalLogFormatter",
    "attach",
    "configure",
    "dict_config",
    "redact",
    "redact_headers",
]
