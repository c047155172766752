"""Login for FluxLit. Holds nothing to use yet."""
