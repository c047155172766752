"""Which placement the settings ask for."""

from __future__ import annotations

from fluxlit.backends.backend import Placement, UiFacts
from fluxlit.backends.external import ExternalPlacement
from fluxlit.backends.workers import WorkersPlacement
from fluxlit.settings import Resolved
from fluxlit.worker.streamlit_options import refuse_owned


def build_placement(facts: UiFacts, resolved: Resolved) -> Placement:
    """The placement for `streamlit_mode`; nothing is started and Streamlit is not imported.

    Raises:
        SettingsError: `streamlit_options` has keys that FluxLit owns.
    """
    refuse_owned(resolved.settings.streamlit_options, resolved.sources["streamlit_options"].where)
    if resolved.settings.streamlit_mode == "external":
        return ExternalPlacement(resolved.settings)
    if resolved.settings.streamlit_mode == "embedded":
        from fluxlit.backends.embedded import EmbeddedPlacement  # noqa: PLC0415  # imports FastAPI, which delays the worker

        return EmbeddedPlacement(facts, resolved)
    return WorkersPlacement(facts, resolved)
