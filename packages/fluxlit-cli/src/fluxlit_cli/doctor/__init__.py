"""`fluxlit doctor`: checks of applications and deployments."""
