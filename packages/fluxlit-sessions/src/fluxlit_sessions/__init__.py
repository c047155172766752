"""Session stores for FluxLit."""
