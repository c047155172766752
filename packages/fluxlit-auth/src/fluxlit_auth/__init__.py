"""Login for FluxLit: OpenID Connect in front of pages, API and WebSockets."""
