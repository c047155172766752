"""Paths of Streamlit's server that several packages know."""

STREAM = "/_stcore/stream"
"""The WebSocket of a session."""

PROBES = ("/_stcore/health", "/_stcore/host-config")
"""What the front end asks before it connects, and again and again after a connection has ended."""
