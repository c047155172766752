"""Paths of Streamlit's server that several packages know."""

STREAM = "/_stcore/stream"
"""The WebSocket of a session."""
