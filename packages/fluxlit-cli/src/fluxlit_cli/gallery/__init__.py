"""The application that `fluxlit demo` serves."""
