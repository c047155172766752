"""Observability: logs, metrics, traces and request ids."""
