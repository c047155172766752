"""The worker process: ``python -m fluxlit.worker``, started by the gateway and by nobody else."""
