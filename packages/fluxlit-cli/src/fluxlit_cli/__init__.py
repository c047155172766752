"""The fluxlit command: new, dev and run."""
