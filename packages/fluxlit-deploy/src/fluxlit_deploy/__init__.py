"""Deployment files for FluxLit. Holds nothing to use yet."""
