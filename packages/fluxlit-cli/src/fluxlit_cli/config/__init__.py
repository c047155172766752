"""`fluxlit config`: settings, their sources and their risks."""
