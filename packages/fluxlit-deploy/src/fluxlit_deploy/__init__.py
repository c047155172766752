"""Deployment files for FluxLit applications: the `fluxlit build` command and what it is made of."""
