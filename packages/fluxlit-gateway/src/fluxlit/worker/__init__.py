"""The worker process, ``python -m fluxlit.worker``."""
