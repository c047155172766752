"""One server process: configuration, runtime, listeners, signals and reload."""
