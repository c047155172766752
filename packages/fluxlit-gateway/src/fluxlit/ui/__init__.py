"""Former home of `fluxlit.worker.external_pages`."""
