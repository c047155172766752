"""`fluxlit new`: a project to start from."""
