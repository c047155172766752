"""Streamlit's front end as it is sent to browsers: its files, their compressed variants, and where those are kept."""

from fluxlit.frontend.cache import Shelf
from fluxlit.frontend.content_negotiation import chosen, matches
from fluxlit.frontend.files import Asset, Files
from fluxlit.frontend.variants import ENCODINGS, Variants

__all__ = ["ENCODINGS", "Asset", "Files", "Shelf", "Variants", "chosen", "matches"]
