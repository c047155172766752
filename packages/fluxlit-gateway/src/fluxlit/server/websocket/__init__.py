"""WebSockets of the public listener."""
