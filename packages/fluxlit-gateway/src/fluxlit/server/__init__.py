"""One server process: runtime, lifecycle, listeners, signals and reload."""
