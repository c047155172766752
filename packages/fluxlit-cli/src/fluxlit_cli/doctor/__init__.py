"""`fluxlit doctor`: find out what is wrong before users do."""
