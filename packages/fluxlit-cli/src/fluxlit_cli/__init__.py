"""The `fluxlit` command."""
