"""Log lines for people and for machines, without secrets in them."""

from fluxlit.logging.configuration import attach, configure, dict_config
from fluxlit.logging.formatters import JsonLogFormatter, TerminalLogFormatter
from fluxlit.logging.redaction import RedactionFilter, redact, redact_headers

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
