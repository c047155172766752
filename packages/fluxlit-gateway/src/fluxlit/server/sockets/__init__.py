"""What the server listens on: ports, UNIX sockets, inherited sockets, TLS."""
