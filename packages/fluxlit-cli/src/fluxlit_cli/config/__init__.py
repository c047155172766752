"""`fluxlit config`: what is in force, where it came from, and what is dangerous about it."""
