"""Which backend the settings ask for."""

from __future__ import annotations

from fluxlit.backends.backend import Backend, UiFacts
from fluxlit.backends.external import ExternalBackend
from fluxlit.backends.workers import WorkersBackend
from fluxlit.settings import Resolved
from fluxlit.worker.streamlit_options import refuse_owned


def build_backend(facts: UiFacts, resolved: Resolved) -> Backend:
    """The backend for `streamlit_mode`. Starts nothing.

    Raises:
        SettingsError: `streamlit_options` has keys that FluxLit owns.
    """
    refuse_owned(resolved.settings.streamlit_options, resolved.sources["streamlit_options"])
    if resolved.settings.streamlit_mode == "external":
        return ExternalBackend(resolved.settings)
    if resolved.settings.streamlit_mode == "embedded":
        from fluxlit.backends.embedded import EmbeddedBackend  # noqa: PLC0415  # imports FastAPI, which delays the worker

        return EmbeddedBackend(facts, resolved)
    return WorkersBackend(facts, resolved)
