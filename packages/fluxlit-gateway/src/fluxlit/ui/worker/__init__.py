"""The worker process: ``python -m fluxlit.ui.worker``, started by the gateway and by nobody else."""
