"""Deployment files for FluxLit applications: the `fluxlit build` command."""
