"""HTTP/1.1 of the public listener."""
